// SPDX-License-Identifier: Apache-2.0
// What a program finds of libprecipice_cuda.so and of a GPU for it, for `device = "cuda"` and for people who ask why not.
// The library is opened when somebody asks, and stays open.
#pragma once

#include <string>

namespace precipice {

struct CudaFinding {
  std::string gpu;      // "NVIDIA H200, compute capability 9.0, 139.0 of 139.8 GiB free, driver for CUDA 13.0"
  std::string problem;  // empty, or why there is none, one line
  bool usable() const { return problem.empty(); }
};

// libprecipice_cuda.so beside the program.
std::string cuda_library_path();
CudaFinding find_cuda(const std::string& library);

}  // namespace precipice
