// SPDX-License-Identifier: Apache-2.0
// Brings libtorch's CUDA side into the process, by dlopen of libprecipice_torch_cuda.so (torch_cuda.h): a CPU run never pays for
// it. The driver is not touched. It must happen before ATen is first asked for CUDA's hooks, which autograd does when it first
// walks backward: ATen keeps the hooks that it found then, so that a process which has trained cannot open it any more.
#pragma once

#include <string>

#include "precision/quantize/torch_cuda.h"

namespace precipice {

inline constexpr const char* kTorchCudaLibrary = "libprecipice_torch_cuda.so";

struct TorchCudaFinding {
  const TorchCuda* torch = nullptr;
  std::string cublas;   // "13.1.0"
  std::string problem;  // empty, or why it cannot be used, one line with what mends it
  bool usable() const { return problem.empty(); }
};

// libprecipice_torch_cuda.so beside the program.
std::string torch_cuda_library_path();
// Also sets what products' bits depend on: no TF32, no sums in less than fp32, cuBLAS itself, and a workspace of fixed size
// (CUBLAS_WORKSPACE_CONFIG), with which equal products have equal bits.
TorchCudaFinding open_torch_cuda(const std::string& library);

}  // namespace precipice
