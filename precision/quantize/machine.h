// SPDX-License-Identifier: Apache-2.0
// What a device does with arrays in its memory: one table of functions for each kind of device, on raw pointers. Who
// calls them knows shapes and which call follows which; how the rows of a call are shared out to threads or blocks is
// the machine's own business. Pointers are into the device's memory, results too: whoever wants them on the host waits for
// them, and does so once a step (step_ledger.h). A function that gives a number back waits. Free of torch: device.h finds a
// tensor's machine.
#pragma once

#include <cstdint>

#include "precision/accumulator/emulated_gemm.h"
#include "precision/kernels/row_kernels.h"
#include "precision/kernels/table_rows.h"
#include "precision/quantize/factor.h"
#include "precision/quantize/matrix_numbers.h"
#include "precision/quantize/quantize_task.h"

namespace precipice {

enum class Causal : std::uint8_t;  // precision/gemm/carrier.h, as the next
struct CarrierProduct;
class PieceRounder;  // precision/quantize/piece_quantizer.h

// Where a device's work is queued, a cudaStream_t for instance; null on the CPU, which does it at once.
using Stream = void*;

// Rows whose gradients of gains are summed before the sums are: fixed, so that no result depends on threads.
inline constexpr std::int64_t kNormRowsPerChunk = 128;

// All rows of logits (count, width) under cross-entropy.
struct LogitRowsCall {
  const float* z = nullptr;
  const std::int64_t* targets = nullptr;  // (count), each below width
  std::int64_t count = 0, width = 0;
  bool moments = false;
  float* e = nullptr;              // (count, width): e^(z - m); null: not wanted
  LogitRow* rows = nullptr;        // (count)
  float* target_logits = nullptr;  // (count)
};

// What each of `count` terms of a mean has of its gradient: times gradient / count, in double.
struct MeanShare {
  const float* gradient = nullptr;
  double times = 1, count = 1;
  double value() const { return times * double{*gradient} / count; }
};

// Of e^(z - m), in place, the gradient of the mean loss: share (e_i / sum - [i = target]).
struct LogitGradient {
  float* e = nullptr;
  const std::int64_t* targets = nullptr;
  const LogitRow* rows = nullptr;  // (count)
  std::int64_t count = 0, width = 0;
  MeanShare share;
};

// Rows of numbers in memory, `stride` apart; one row: all of an array.
struct NumberRows {
  float* data = nullptr;
  std::int64_t rows = 0, cols = 0, stride = 0;
  Factor scale;  // multiplies them first, where it is not known; what is known of it is the rounder's
};

// The scales of an operand's rows; without data `fixed` is all of them.
struct RowScaleValues {
  OperandScales of_rows;
  Factor fixed;
  float operator()(std::int64_t row, std::int64_t block) const {
    return of_rows.data == nullptr
               ? fixed.value()
               : of_rows.data[row / of_rows.rows_per_scale * of_rows.row_stride + block * of_rows.block_stride];
  }
};

// y[m, n] = sums[m, n] (a[m] b[n]) where y is sums, else y[m, n] += that; contiguous, with the scales of a block of K.
struct ScaledSums {
  const float* sums = nullptr;
  float* y = nullptr;
  std::int64_t rows = 0, cols = 0;
  RowScaleValues a, b;
  std::int64_t block = 0;
};

// out = in * scales of rows and blocks of `block_k` columns, rows side by side, in fp32; either side may be bf16
// numbers, which the products then are: known before, or to be found out (`checks_bf16`).
struct ScaledNumbers {
  const void* in = nullptr;
  void* out = nullptr;
  bool in_bf16 = false, out_bf16 = false, checks_bf16 = false;
  std::int64_t rows = 0, cols = 0, block_rows = 1, block_k = 1;
  RowScaleValues scales;
};

// A product for what multiplies. `may_need_fp32`: bf16 operands may hold numbers too small for bf16's instructions
// (precision/gemm/carrier.h). Where the quanta of operands are known, they were asked before, and operands that must be were
// copied to fp32; else that is left to the machine, if it multiplies by instructions that take such numbers as zeros.
struct ProductCall {
  const CarrierProduct& product;
  Causal causal;
  bool may_need_fp32 = false;
  Factor scale;  // where it is not known, in place of the product's
  Factor a_quantum, b_quantum;
  bool a_is_folded = false, b_is_folded = false;  // its scales were multiplied in: too small, it is copied as a whole
};

struct Machine {
  // Of this thread: what the other functions take.
  Stream (*current_stream)();

  // Between the matmuls (precision/kernels/row_kernels.h has the formulas).
  void (*norm_forward)(const NormForward& call, std::int64_t rows, Stream stream);
  // dgain: (chunks of kNormRowsPerChunk rows, 2, width), zeros before; dbias unused but null where there is none.
  void (*norm_backward)(const NormBackward& call, std::int64_t rows, Stream stream);
  // Of square matrices, rows in all.
  void (*causal_softmax)(float* scores, std::int64_t length, float scale, std::int64_t rows, Stream stream);
  void (*causal_softmax_backward)(const float* p, float* dp, const float* deltas, std::int64_t length, float scale,
                                  std::int64_t rows, Stream stream);
  void (*gelu)(const float* x, std::int64_t size, float* y, float* derivative, Stream stream);
  void (*rotate)(const Rotation& call, Stream stream);
  void (*gather_rows)(const TableRows& rows, const float* table, float* out, Stream stream);
  // table[ids[i]] += in[i], in the order of i.
  void (*add_rows)(const TableRows& rows, const float* in, float* table, Stream stream);
  void (*logit_rows)(const LogitRowsCall& call, Stream stream);
  void (*logit_gradient)(const LogitGradient& call, Stream stream);
  // sum: of (y - t)^2 in double, in the order of the elements; the differences unless null.
  void (*squared_error)(const float* y, const float* t, std::int64_t size, float* differences, double* sum,
                        Stream stream);
  void (*scale)(float* x, std::int64_t size, const MeanShare& share, Stream stream);

  // Rounding. `amax`: of the whole matrix, where scales follow from it and it is there already; else null.
  void (*quantize)(QuantizeTask& task, const float* in, const RandomKey& key, const float* amax,
                   const MatrixOutputs& outputs, MatrixNumbers* numbers, Stream stream);
  void (*round)(const PieceRounder& rounder, const NumberRows& numbers, Stream stream);
  // NaN if there is a NaN.
  float (*amax)(const float* x, std::int64_t size, Stream stream);

  // Scales.
  void (*scale_sums)(const ScaledSums& call, Stream stream);
  // The range of all scales of an operand, then for each of its matrices whether products are exact, unless null.
  void (*range_of_scales)(const float* scales, std::int64_t size, ScaleRange* range, Stream stream);
  void (*scale_numbers)(const ScaledNumbers& call, ScaleRange* range, Stream stream);
  // NVFP4's E4M3 scales of blocks (emulated_product.h).
  void (*divide_outer_scale)(const float* scales, std::int64_t size, const Factor& outer, float* out, Stream stream);

  // Products.
  void (*multiply)(const ProductCall& call, Stream stream);
  void (*gemm_emulated)(const EmulatedGemm& call, Stream stream);
};

// Defined in precision/gemm/cpu_machine.cpp, which sees what multiplies.
const Machine& cpu_machine();

}  // namespace precipice
