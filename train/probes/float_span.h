// SPDX-License-Identifier: Apache-2.0
// The elements of a tensor for the code that knows no tensors and works on the host.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

#include "precision/quantize/device.h"

namespace precipice {

// A contiguous tensor, or a copy of it in host memory where it lies elsewhere.
template <class Number>
class HostNumbers {
 public:
  explicit HostNumbers(const at::Tensor& tensor) : tensor_(on_host(tensor)) {}
  operator std::span<const Number>() const {
    return {tensor_.const_data_ptr<Number>(), static_cast<std::size_t>(tensor_.numel())};
  }

 private:
  at::Tensor tensor_;
};

inline HostNumbers<float> floats(const at::Tensor& tensor) {
  return HostNumbers<float>(tensor);
}
inline HostNumbers<std::int64_t> integers(const at::Tensor& tensor) {
  return HostNumbers<std::int64_t>(tensor);
}

}  // namespace precipice
