// SPDX-License-Identifier: Apache-2.0
// The C interface of libprecipice_cuda.so for this folder's kernels: tables of functions, found by name after dlopen.
// Functions take the calls of Machine (precision/quantize/machine.h), whose arrays and results are device memory, and
// queue their launches on the stream of `launch`: they do not wait, and what they found out stays in device memory. Those
// that wait say so. A function returns null, or the reason why it could not queue its work, which stays readable until the
// thread's next call; what goes wrong in a kernel comes from the next call that waits.
// optim/multi_tensor/cuda_kernels.h has the multi-tensor kernels. Free of CUDA includes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>

#include "precision/accumulator/prepared_gemm.h"
#include "precision/accumulator/scaled_operands.h"
#include "precision/calls/assumption.h"
#include "precision/calls/attention_calls.h"
#include "precision/calls/column_sums.h"
#include "precision/calls/logit_calls.h"
#include "precision/calls/number_rows.h"
#include "precision/calls/span_amaxes.h"
#include "precision/calls/table_rows.h"
#include "precision/cuda/launch.h"
#include "precision/cuda/matrix_arrays.h"
#include "precision/kernels/quantize_isa.h"
#include "precision/kernels/row_kernels.h"
#include "precision/scaling/matrix_call.h"

namespace precipice {

// Enough for a caller that does not link the CUDA run-time library. Memory is of the device's pool: it is there, and
// another's, in the order of the stream's work.
struct CudaMemory {
  const char* (*allocate)(std::size_t bytes, void* stream, void** memory);
  const char* (*release)(void* memory, void* stream);
  const char* (*copy)(void* to, const void* from, std::size_t bytes, void* stream);  // both of the device
  // These wait for the stream.
  const char* (*to_device)(void* device, const void* host, std::size_t bytes, void* stream);
  const char* (*to_host)(void* host, const void* device, std::size_t bytes, void* stream);
};

// As QuantizeKernels: the bits and counts of the CPU's array loops. All arrays of a call, `smallest_result` too, are device
// memory. Events are counted whether or not call.count asks.
struct CudaQuantizeKernels {
  const char* (*quantize)(const QuantizeCall& call, const FoundNumbers& found, Launch launch);
  const char* (*quantize_wide)(const WideQuantizeCall& call, const FoundNumbers& found, Launch launch);
  // `call` without arrays, of all numbers of the rows; `rows.scale`, where it is not known, in place of the call's.
  const char* (*round)(const QuantizeCall& call, const NumberRows& rows, Launch launch);
  const char* (*encode)(const float* in, std::uint32_t* out, std::int64_t size, const CodeConstants& codes,
                        Launch launch);
  const char* (*amax)(const float* in, std::int64_t size, Launch launch, float& result);  // waits
};

// As RowKernels, for all rows of a call. norm_backward: dgain and dbias as in Machine (precision/quantize/machine.h), (chunks,
// 2, width), of chunks of so many rows. gelu and gelu_gradient: as in Machine; `amax` or null.
struct CudaRowKernels {
  const char* (*norm_forward)(const NormForward& call, std::int64_t rows, Launch launch);
  const char* (*norm_backward)(const NormBackward& call, std::int64_t rows, std::int64_t rows_per_chunk, Launch launch);
  const char* (*causal_softmax)(float* scores, std::int64_t length, float scale, std::int64_t rows, Launch launch);
  const char* (*causal_softmax_backward)(const float* p, float* dp, const float* deltas, std::int64_t length,
                                         float scale, std::int64_t rows, Launch launch);
  const char* (*gelu)(const float* x, std::int64_t size, float* y, float* amax, Launch launch);
  const char* (*gelu_gradient)(const float* x, const float* dy, std::int64_t size, float* dx, float* amax,
                               Launch launch);
};

// As the functions of these names in Machine. A number that a table does not have, or a target that is no logit, makes NaN
// of its row, and no gradient: who uploads a batch has looked at it (train/model/forward_pass.cpp).
struct CudaStepKernels {
  const char* (*rotate)(const Rotation& call, Launch launch);
  const char* (*gather_rows)(const TableRows& rows, const float* table, float* out, Launch launch);
  const char* (*add_rows)(const TableRows& rows, const float* in, float* table, Launch launch);
  const char* (*logit_rows)(const LogitRowsCall& call, Launch launch);
  const char* (*logit_gradient)(const LogitGradient& call, Launch launch);
  const char* (*squared_error)(const float* y, const float* t, std::int64_t size, float* differences, double* sum,
                               Launch launch);
  const char* (*scale)(float* x, std::int64_t size, const MeanShare& share, Launch launch);
  const char* (*column_sums)(const ColumnSums& call, Launch launch);
  const char* (*amaxes)(const SpanAmaxes& call, Launch launch);
  // `assumptions` is on the host, and goes with the launches.
  const char* (*look)(const Assumption* assumptions, std::int64_t count, std::uint32_t* failed, Launch launch);
};

// Matrices with scales. quantize: as MatrixPlan (precision/scaling/block_quantize.h); `amax` of the whole matrix, or null. The
// others: as the functions of these names in Machine. gemm_emulated: as gemm_reference (emulated_gemm.h).
struct CudaMatrixKernels {
  const char* (*quantize)(const MatrixCall& call, const MatrixArrays& arrays, const float* amax,
                          const FoundNumbers& found, Launch launch);
  const char* (*scale_sums)(const ScaledSums& call, Launch launch);
  const char* (*scale_numbers)(const ScaledNumbers& call, ScaleRange* range, Launch launch);
  const char* (*range_of_scales)(const float* scales, std::int64_t size, ScaleRange* range, Launch launch);
  const char* (*divide_outer_scale)(const float* scales, std::int64_t size, const Factor& outer,
                                    const FormatConstants& e4m3, float* out, Launch launch);
  const char* (*gemm_emulated)(const PreparedGemm& call, Launch launch);
};

// As the functions of these names in Machine; a launch has the shape that suits it. Refused: a rounding that
// attention_calls.h does not have, random words for anything but weights and their gradients.
struct CudaAttentionKernels {
  const char* (*forward)(const AttentionForward& call, Launch launch);    // one launch
  const char* (*backward)(const AttentionBackward& call, Launch launch);  // two
};

// One string for each thread of each library.
inline const char* kept_reason(const char* text) {
  static thread_local std::string reason;
  reason = text;
  return reason.c_str();
}

// Null, or why `work` failed.
template <class Work>
const char* reason_of(Work work) {
  try {
    work();
    return nullptr;
  } catch (const std::exception& error) {
    return kept_reason(error.what());
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
PRECIPICE_EXPORT const CudaAttentionKernels* precipice_cuda_attention_kernels();

}  // namespace precipice
