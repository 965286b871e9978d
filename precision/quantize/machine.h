// SPDX-License-Identifier: Apache-2.0
// What a device does with arrays in its memory: one table of functions for each kind of device, on raw pointers. Who
// calls them knows shapes and which call follows which; how the rows of a call are shared out to threads or blocks is
// the machine's own business. Pointers are into the device's memory, results too: whoever wants them on the host waits for
// them, and does so once a step (step_ledger.h). A function that gives a number back waits. Free of torch: device.h finds a
// tensor's machine.
#pragma once

#include <cstdint>

#include "precision/accumulator/emulated_gemm.h"
#include "precision/accumulator/scaled_operands.h"
#include "precision/calls/assumption.h"
#include "precision/calls/attention_calls.h"
#include "precision/calls/column_sums.h"
#include "precision/calls/factor.h"
#include "precision/calls/logit_calls.h"
#include "precision/calls/matrix_numbers.h"
#include "precision/calls/number_rows.h"
#include "precision/calls/span_amaxes.h"
#include "precision/calls/table_rows.h"
#include "precision/kernels/row_kernels.h"
#include "precision/quantize/quantize_task.h"
#include "precision/quantize/step_graphs.h"

namespace precipice {

enum class Causal : std::uint8_t;  // precision/gemm/carrier.h, as the next
struct CarrierProduct;
class PieceRounder;  // precision/quantize/piece_quantizer.h

// Where a device's work is queued, a cudaStream_t for instance; null on the CPU, which does it at once.
using Stream = void*;

// Rows whose gradients of gains are summed before the sums are: fixed, so that no result depends on threads.
inline constexpr std::int64_t kNormRowsPerChunk = 128;

// A product for what multiplies. `may_need_fp32`: bf16 operands may hold numbers too small for bf16's instructions
// (precision/gemm/carrier.h). Where the quanta of operands are known, they were asked before, and operands that must be were
// copied to fp32; else that is left to the machine, if it multiplies by instructions that take such numbers as zeros. A quantum
// of 0 is one that nobody has looked for.
struct ProductCall {
  const CarrierProduct& product;
  Causal causal;
  bool may_need_fp32 = false;
  Factor scale;  // where it is not known, in place of the product's
  Factor a_quantum, b_quantum;
  bool a_is_folded = false, b_is_folded = false;  // its scales were multiplied in: too small, it is copied as a whole
  // Where not null, in place of product.y: each sum of bf16 operands rounded once, to bf16, nearest even. Without a scale
  // or a bias; on a device.
  std::uint16_t* packed = nullptr;
};

struct GeluForward {
  const float* x;
  std::int64_t size;
  float* y;
  float* derivative;  // CPU
  float* amax;        // on a device: of y (noted_amax.h); or null
};
struct GeluBackward {
  const float *x, *dy;
  std::int64_t size;
  float *dx, *amax;  // amax: of dx, or null
};

struct Machine {
  // Of this thread: what the other functions take.
  Stream (*current_stream)();

  // Between the matmuls (precision/kernels/row_kernels.h has the formulas).
  void (*norm_forward)(const NormForward& call, std::int64_t rows, Stream stream);
  // dgain: (chunks of kNormRowsPerChunk rows, 2, width), on the CPU zeros before; dbias unused but null where there is none.
  void (*norm_backward)(const NormBackward& call, std::int64_t rows, Stream stream);
  // Of square matrices, rows in all.
  void (*causal_softmax)(float* scores, std::int64_t length, float scale, std::int64_t rows, Stream stream);
  void (*causal_softmax_backward)(const float* p, float* dp, const float* deltas, std::int64_t length, float scale,
                                  std::int64_t rows, Stream stream);
  // On the CPU with its derivative, unless null, of which gradients are made there.
  void (*gelu)(const GeluForward& call, Stream stream);
  // dx = GELU'(x) dy; null on the CPU.
  void (*gelu_gradient)(const GeluBackward& call, Stream stream) = nullptr;
  // Null on the CPU (precision/quantize/column_sums.h).
  void (*column_sums)(const ColumnSums& call, Stream stream) = nullptr;
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
  // `amaxes`: zeros before. Null on the CPU.
  void (*amaxes)(const SpanAmaxes& call, Stream stream) = nullptr;

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

  // Raises *failed, which is 0 before, if something does not hold. Null on the CPU, which takes nothing for granted.
  void (*look)(const Assumption* assumptions, std::int64_t count, std::uint32_t* failed, Stream stream) = nullptr;

  // Attention as a whole; null where there is none. train/attention/fused_attention.h says when it stands for the functions
  // above.
  void (*attention_forward)(const AttentionForward& call, Stream stream) = nullptr;
  void (*attention_backward)(const AttentionBackward& call, Stream stream) = nullptr;
  // Whether sums of products that multiply() makes have an order that others need not keep.
  bool has_free_sums = false;
  // Null where there are none.
  const StepGraphs* graphs = nullptr;
};

// Defined in precision/gemm/cpu_machine.cpp, which sees what multiplies.
const Machine& cpu_machine();

}  // namespace precipice
