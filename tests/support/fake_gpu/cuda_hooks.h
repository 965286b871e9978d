// SPDX-License-Identifier: Apache-2.0
// What ATen knows CUDA's side by, for libraries that stand in its place; for one file of each, as it registers itself.
#pragma once

#include <ATen/detail/CUDAHooksInterface.h>

namespace at {

// The name by which ATen asks for them.
struct CUDAHooks : CUDAHooksInterface {
  explicit CUDAHooks(CUDAHooksArgs) {}
  bool hasCUDART() const override { return true; }
};
REGISTER_CUDA_HOOKS(CUDAHooks)

}  // namespace at
