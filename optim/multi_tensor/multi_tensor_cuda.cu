// SPDX-License-Identifier: Apache-2.0
// The multi-tensor kernels on the GPU: kernels around the bodies of multi_tensor_launch.h.
#include "optim/multi_tensor/multi_tensor_calls.h"
#include "precision/cuda/launch_cuda.cuh"

namespace precipice {

const CudaMultiTensorKernels* precipice_cuda_multi_tensor_kernels() {
  static constexpr CudaMultiTensorKernels kKernels = MultiTensorCalls<DeviceMachine>::table();
  return &kKernels;
}

}  // namespace precipice
