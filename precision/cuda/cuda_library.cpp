// SPDX-License-Identifier: Apache-2.0
#include "precision/cuda/cuda_library.h"

#include <dlfcn.h>

#include <string_view>

#include "precision/base/check.h"

namespace precipice {
namespace {

// What CUDA says of cudaErrorMemoryAllocation (cudaGetErrorString).
constexpr std::string_view kOutOfMemory = "out of memory";

// The table that a function of that name returns.
template <class Table>
const Table* table_of(void* library, const char* name, std::string& problem) {
  const auto table = cuda_entry<const Table*()>(library, name, problem);
  return table != nullptr ? table() : nullptr;
}

}  // namespace

void require_queued(const char* reason) {
  if (reason == nullptr) return;
  const std::string sentence = join_parts("the CUDA device does not go on: ", reason);
  if (std::string_view(reason) == kOutOfMemory) throw OutOfDeviceMemory(sentence);
  throw Error(sentence);
}

void* cuda_entry(void* library, const char* name, std::string& problem) {
  void* const entry = dlsym(library, name);
  if (entry == nullptr) problem = std::string("the CUDA library has no entry point ") + name;
  return entry;
}

std::optional<CudaLibrary> open_cuda_library(const std::string& path, std::string& problem) {
  problem.clear();
  void* const handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    problem = dlerror();
    return std::nullopt;
  }
  const CudaLibrary library{handle,
                            cuda_entry<decltype(precipice_open_cuda)>(handle, "precipice_open_cuda", problem),
                            table_of<CudaMemory>(handle, "precipice_cuda_memory", problem),
                            table_of<CudaQuantizeKernels>(handle, "precipice_cuda_quantize_kernels", problem),
                            table_of<CudaRowKernels>(handle, "precipice_cuda_row_kernels", problem),
                            table_of<CudaStepKernels>(handle, "precipice_cuda_step_kernels", problem),
                            table_of<CudaMatrixKernels>(handle, "precipice_cuda_matrix_kernels", problem),
                            table_of<CudaAttentionKernels>(handle, "precipice_cuda_attention_kernels", problem)};
  return problem.empty() ? std::optional(library) : std::nullopt;
}

}  // namespace precipice
