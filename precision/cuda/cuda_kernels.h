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

#include "precision/accumulator/prepared_gemm.h"
#include "precision/cuda/launch.h"
#include "precision/cuda/matrix_arrays.h"
#include "precision/kernels/quantize_isa.h"
#include "precision/kernels/row_kernels.h"
#include "precision/kernels/table_rows.h"
#include "precision/scaling/matrix_call.h"

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

// All rows of logits (count, width), everything in device memory.
struct LogitRowsOnDevice {
  const float* z;
  const std::int64_t* targets;  // (count), each below width
  std::int64_t count, width;
  bool moments;
  float* e;              // (count, width): e^(z - m); null: not wanted
  LogitRow* rows;        // (count)
  float* target_logits;  // (count)
};

// Of e^(z - m), in place, share (e_i / sum - [i = target]).
struct LogitGradientOnDevice {
  float* e;
  const std::int64_t* targets;
  const double* sums;  // (count)
  std::int64_t count, width;
  double share;
};

// As the functions of these names in Machine. A number that a table does not have, or a target that is no logit, is a
// reason.
struct CudaStepKernels {
  const char* (*rotate)(const Rotation& call, Launch launch);
  const char* (*gather_rows)(const TableRows& rows, const float* table, float* out, Launch launch);
  const char* (*add_rows)(const TableRows& rows, const float* in, float* table, Launch launch);
  const char* (*logit_rows)(const LogitRowsOnDevice& call, Launch launch);
  const char* (*logit_gradient)(const LogitGradientOnDevice& call, Launch launch);
  const char* (*squared_error)(const float* y, const float* t, std::int64_t size, float* differences, Launch launch,
                               double& sum);
  const char* (*scale)(float* x, std::int64_t size, float factor, Launch launch);
};

// Matrices with scales. quantize: as MatrixPlan (precision/scaling/block_quantize.h); `amax` of the whole matrix, on the host,
// null where it is not known; elements.smallest_result is on the host. The others: as the functions of these names in
// Machine; `smallest` is lowered to the smallest positive scale. gemm_emulated: as gemm_reference (emulated_gemm.h), operands
// and scales in device memory.
struct CudaMatrixKernels {
  const char* (*quantize)(const MatrixCall& call, const MatrixArrays& arrays, const float* amax, Launch launch,
                          EventCounts& counts);
  const char* (*scale_sums)(const ScaledSumsOnDevice& call, Launch launch);
  const char* (*scale_numbers)(const ScaledNumbersOnDevice& call, Launch launch, bool& inexact);
  const char* (*range_of_scales)(const float* scales, std::int64_t size, Launch launch, float& smallest,
                                 bool& powers_of_two);
  const char* (*divide_outer_scale)(const float* scales, std::int64_t size, float outer, const FormatConstants& e4m3,
                                    float* out, Launch launch);
  const char* (*gemm_emulated)(const PreparedGemm& call, Launch launch);
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
PRECIPICE_EXPORT const CudaStepKernels* precipice_cuda_step_kernels();
PRECIPICE_EXPORT const CudaMatrixKernels* precipice_cuda_matrix_kernels();

}  // namespace precipice
