// SPDX-License-Identifier: Apache-2.0
// The doors to a GPU, in their order: libprecipice_cuda.so, a driver, a GPU that is visible and new enough, libtorch's side.
#pragma once

#include <string>

#include "precision/cuda/cuda_kernels.h"
#include "precision/quantize/torch_cuda.h"

namespace precipice {

// A GPU that can be used, and libtorch's side of it.
struct OpenedCuda {
  CudaDevice gpu;          // as find_cuda() found it
  std::string gpu_text;    // "NVIDIA H200, compute capability 9.0, ..."
  const TorchCuda* torch;  // never null
  std::string cublas;      // "13.1.0"
};

// Opens both libraries, and asks for a GPU in a child process, so that this one may fork after it; once, of which a process
// and its forks keep the answer. The first thing that a command does which may train: libtorch_cuda cannot be opened once
// something was trained. Throws ConfigError with what is missing and what mends it.
const OpenedCuda& open_cuda();

}  // namespace precipice
