// SPDX-License-Identifier: Apache-2.0
// The C interface of libprecipice_cuda.so for this folder's kernels: tables of functions, found by name after dlopen.
// A function returns null, or the reason why it could not do its work, which stays readable until the thread's next
// call. All arrays are device memory; results in references are on the host, and calls return when they are complete.
// optim/multi_tensor/cuda_kernels.h has the multi-tensor kernels. Free of CUDA includes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>

#include "precision/cuda/launch.h"
#include "precision/kernels/quantize_isa.h"
#include "precision/kernels/row_kernels.h"

namespace precipice {

// Enough for a caller that does not link the CUDA run-time library.
struct CudaMemory {
  const char* (*allocate)(std::size_t bytes, void** memory);
  const char* (*release)(void* memory);
  const char* (*to_device)(void* device, const void* host, std::size_t bytes);
  const char* (*to_host)(void* host, const void* device, std::size_t bytes);
};

// As QuantizeKernels: the bits and counts of the CPU's array loops. `in`, `out`, `multipliers` and `packed` of a call are
// device memory, `smallest_result` is on the host. Events are counted whether or not call.count asks.
struct CudaQuantizeKernels {
  const char* (*quantize)(const QuantizeCall& call, Launch launch, EventCounts& counts);
  const char* (*quantize_wide)(const WideQuantizeCall& call, Launch launch, EventCounts& counts);
  const char* (*amax)(const float* in, std::int64_t size, Launch launch, float& result);
  const char* (*encode)(const float* in, std::uint32_t* out, std::int64_t size, const CodeConstants& codes,
                        Launch launch);
};

// As RowKernels, for all rows of a call. norm_backward: dgain and dbias as in Machine (precision/quantize/machine.h), (chunks,
// 2, width), of chunks of so many rows.
struct CudaRowKernels {
  const char* (*norm_forward)(const NormForward& call, std::int64_t rows, Launch launch);
  const char* (*norm_backward)(const NormBackward& call, std::int64_t rows, std::int64_t rows_per_chunk, Launch launch);
  const char* (*causal_softmax)(float* scores, std::int64_t length, float scale, std::int64_t rows, Launch launch);
  const char* (*causal_softmax_backward)(const float* p, float* dp, const float* deltas, std::int64_t length,
                                         float scale, std::int64_t rows, Launch launch);
  const char* (*gelu)(const float* x, std::int64_t size, float* y, float* derivative, Launch launch);
};

// Null, or why `work` failed.
template <class Work>
const char* reason_of(Work work) {
  static thread_local std::string reason;
  try {
    work();
    return nullptr;
  } catch (const std::exception& error) {
    reason = error.what();
    return reason.c_str();
  }
}

#define PRECIPICE_EXPORT extern "C" __attribute__((visibility("default")))

// The GPU that is used: the first of those that are visible.
struct CudaDevice {
  char name[256] = {};
  int major = 0, minor = 0;  // compute capability
  int driver = 0;            // for which CUDA it is: 13000 is 13.0
  std::size_t free_bytes = 0, total_bytes = 0;
};

// Null when a GPU can be used, or why it cannot.
PRECIPICE_EXPORT const char* precipice_open_cuda();
PRECIPICE_EXPORT const char* precipice_cuda_device(CudaDevice* device);
PRECIPICE_EXPORT const CudaMemory* precipice_cuda_memory();
PRECIPICE_EXPORT const CudaQuantizeKernels* precipice_cuda_quantize_kernels();
PRECIPICE_EXPORT const CudaRowKernels* precipice_cuda_row_kernels();

}  // namespace precipice
