// SPDX-License-Identifier: Apache-2.0
// The seam to accelerators. CUDA code lives in a library of its own, libprecipice_cuda.so beside the program, which is
// opened only when a run asks for `device = "cuda"`: a CPU run never pays for it. The library has the kernels of
// cuda_kernels.h and optim/multi_tensor/cuda_kernels.h, which do not make a training step yet: train/run/run.cpp
// refuses every device but the CPU after this.
#pragma once

#include <ATen/core/Tensor.h>

#include "precision/base/device_kind.h"

namespace precipice {

// Makes a device ready: nothing for the CPU; for Cuda opens the library. Throws ConfigError when it is not there, does
// not open or finds no GPU that it can use, saying what is needed.
void open_device(DeviceKind device);

// A tensor of a device whose kernels are not loaded is a broken contract.
void check_device(const at::Tensor& x);

}  // namespace precipice
