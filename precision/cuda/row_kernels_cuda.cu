// SPDX-License-Identifier: Apache-2.0
// Norms, causal softmax and GELU on the GPU: kernels around the bodies of row_launch.h.
#include "precision/cuda/launch_cuda.cuh"
#include "precision/cuda/row_calls.h"

namespace precipice {

const CudaRowKernels* precipice_cuda_row_kernels() {
  static constexpr CudaRowKernels kKernels = RowCalls<DeviceMachine>::table();
  return &kKernels;
}

}  // namespace precipice
