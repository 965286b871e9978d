// SPDX-License-Identifier: Apache-2.0
// Rotary positions, embedding and loss on the GPU: kernels around the bodies of step_launch.h and logit_launch.h.
#include "precision/cuda/launch_cuda.cuh"
#include "precision/cuda/step_calls.h"

namespace precipice {

const CudaStepKernels* precipice_cuda_step_kernels() {
  static constexpr CudaStepKernels kKernels = StepCalls<DeviceMachine>::table();
  return &kKernels;
}

}  // namespace precipice
