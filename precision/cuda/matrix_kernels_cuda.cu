// SPDX-License-Identifier: Apache-2.0
// Matrices with scales and emulated accumulators on the GPU: kernels around the bodies of matrix_launch.h, scale_launch.h and
// emulated_launch.h.
#include "precision/cuda/launch_cuda.cuh"
#include "precision/cuda/matrix_calls.h"

namespace precipice {

const CudaMatrixKernels* precipice_cuda_matrix_kernels() {
  static constexpr CudaMatrixKernels kKernels = MatrixCalls<DeviceMachine>::table();
  return &kKernels;
}

}  // namespace precipice
