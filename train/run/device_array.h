// SPDX-License-Identifier: Apache-2.0
// Memory of a device, or of the host, as a tensor.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>

namespace precipice {

// `owner`: whose memory it is, which the tensor then keeps; undefined: the memory outlives the tensor.
template <class Number>
at::Tensor array_of(const Number* data, c10::IntArrayRef sizes, at::Device device, const at::Tensor& owner = {}) {
  return at::for_blob(const_cast<Number*>(data), sizes)
      .deleter([owner](void*) {})
      .options(at::TensorOptions(c10::CppTypeToScalarType<Number>::value).device(device))
      .target_device(device)
      .make_tensor();
}

}  // namespace precipice
