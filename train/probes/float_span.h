// SPDX-License-Identifier: Apache-2.0
// The elements of an fp32 tensor for the code that knows no tensors.
#pragma once

#include <ATen/core/Tensor.h>

#include <span>

namespace precipice {

// `tensor`: contiguous and alive as long as the span.
inline std::span<const float> floats(const at::Tensor& tensor) {
  return {tensor.const_data_ptr<float>(), static_cast<std::size_t>(tensor.numel())};
}

}  // namespace precipice
