// SPDX-License-Identifier: Apache-2.0
// What a program finds of libprecipice_cuda.so and of a GPU for it, for `device = "cuda"` and for people who ask why not.
// The library is opened when somebody asks, and stays open. The driver is asked in a child process: a process that has
// spoken to it cannot fork into others that do, as a sweep does, and one that ends in the driver takes nobody with it.
#pragma once

#include <string>

#include "precision/cuda/cuda_kernels.h"

namespace precipice {

inline constexpr const char* kCudaLibrary = "libprecipice_cuda.so";

struct CudaFinding {
  CudaDevice device = {};  // where `problem` is empty
  std::string gpu;         // "NVIDIA H200, compute capability 9.0, 139.0 of 139.8 GiB free, driver for CUDA 13.0"
  std::string problem;     // empty, or why there is none, one line
  bool usable() const { return problem.empty(); }
};

// Where the program itself lies: its libraries for GPUs lie beside it.
std::string beside_program(const std::string& library);
// libprecipice_cuda.so beside the program.
std::string cuda_library_path();
CudaFinding find_cuda(const std::string& library);

}  // namespace precipice
