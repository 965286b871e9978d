// SPDX-License-Identifier: Apache-2.0
// quantize, amax and encode on the GPU: kernels around the bodies of quantize_launch.h.
#include "precision/cuda/launch_cuda.cuh"
#include "precision/cuda/quantize_calls.h"

namespace precipice {

const CudaQuantizeKernels* precipice_cuda_quantize_kernels() {
  static constexpr CudaQuantizeKernels kKernels = QuantizeCalls<DeviceMachine>::table();
  return &kKernels;
}

}  // namespace precipice
