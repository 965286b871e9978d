// SPDX-License-Identifier: Apache-2.0
// The test device with the CUDA library's kernels where there are some: the .cu files, run on the CPU
// (tests/support/cuda_on_cpu). Arrays go from the test device's memory to that of the CUDA run-time library and back,
// with guards around them.
#pragma once

#include <cstdint>

#include "tests/support/test_device/test_device.h"

namespace precipice::test_device {

// Calls of kernels so far, by what they did.
struct KernelCalls {
  std::int64_t norms = 0, updates = 0, quantized = 0, rounded = 0, amaxes = 0, rows = 0, steps = 0, matrices = 0,
               scaled = 0, emulated = 0;
};
KernelCalls kernel_calls();

// While one lives, tensors on the test device are quantized, and optimizers on `device()` walk, by kernels: every function
// of Machine but products by a matrix library; AdamW, Lion and SGD with and without compensation, norms of gradients. The
// rest are the CPU's loops as before.
class WithKernels {
 public:
  WithKernels();
  ~WithKernels();
  WithKernels(const WithKernels&) = delete;
  WithKernels& operator=(const WithKernels&) = delete;
  TrainingDevice device() const;
};

}  // namespace precipice::test_device
