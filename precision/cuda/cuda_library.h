// SPDX-License-Identifier: Apache-2.0
// libprecipice_cuda.so as the program has it once it is open: its tables of functions, by name.
#pragma once

#include <optional>
#include <string>

#include "precision/base/check.h"
#include "precision/cuda/cuda_kernels.h"

namespace precipice {

struct CudaLibrary {
  void* handle = nullptr;               // for tables of other folders: cuda_entry()
  const char* (*open_gpu)() = nullptr;  // before any other: null, or why no GPU can be used
  const CudaMemory* memory = nullptr;
  const CudaQuantizeKernels* quantize = nullptr;
  const CudaRowKernels* rows = nullptr;
  const CudaStepKernels* step = nullptr;
  const CudaMatrixKernels* matrix = nullptr;
  const CudaAttentionKernels* attention = nullptr;
};

// The device's memory is used up (exit code 6).
class OutOfDeviceMemory : public Error {
 public:
  using Error::Error;
};

// The library stays open. Nothing, and why, where it does not open or is of another version.
std::optional<CudaLibrary> open_cuda_library(const std::string& path, std::string& problem);

// Throws Error unless `reason`, which a function of the library gave, is null; OutOfDeviceMemory where it is that.
void require_queued(const char* reason);

// A function of an open library by its name; null, and why, where there is none.
void* cuda_entry(void* library, const char* name, std::string& problem);
template <class Function>
Function* cuda_entry(void* library, const char* name, std::string& problem) {
  return reinterpret_cast<Function*>(cuda_entry(library, name, problem));
}

}  // namespace precipice
