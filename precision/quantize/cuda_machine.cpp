// SPDX-License-Identifier: Apache-2.0
#include "precision/quantize/cuda_machine.h"

#include <optional>

#include "precision/accumulator/prepared_gemm.h"
#include "precision/base/check.h"
#include "precision/format/format_presets.h"
#include "precision/quantize/piece_quantizer.h"
#include "precision/quantize/quantize_task.h"

namespace precipice {
namespace {

CudaLibrary cuda;  // what cuda_machine() was given last

void norm_forward(const NormForward& call, std::int64_t rows, Stream stream) {
  require_queued(cuda.rows->norm_forward(call, rows, on_stream(stream)));
}
void norm_backward(const NormBackward& call, std::int64_t rows, Stream stream) {
  require_queued(cuda.rows->norm_backward(call, rows, kNormRowsPerChunk, on_stream(stream)));
}
void causal_softmax(float* scores, std::int64_t length, float scale, std::int64_t rows, Stream stream) {
  require_queued(cuda.rows->causal_softmax(scores, length, scale, rows, on_stream(stream)));
}
void causal_softmax_backward(const float* p, float* dp, const float* deltas, std::int64_t length, float scale,
                             std::int64_t rows, Stream stream) {
  require_queued(cuda.rows->causal_softmax_backward(p, dp, deltas, length, scale, rows, on_stream(stream)));
}
void gelu(const GeluForward& call, Stream stream) {
  PRECIPICE_CHECK(call.derivative == nullptr, "derivatives are made again on a device");
  require_queued(cuda.rows->gelu(call.x, call.size, call.y, call.amax, on_stream(stream)));
}
void gelu_gradient(const GeluBackward& call, Stream stream) {
  require_queued(cuda.rows->gelu_gradient(call.x, call.dy, call.size, call.dx, call.amax, on_stream(stream)));
}
void column_sums(const ColumnSums& call, Stream stream) {
  require_queued(cuda.step->column_sums(call, on_stream(stream)));
}
void amaxes(const SpanAmaxes& call, Stream stream) {
  require_queued(cuda.step->amaxes(call, on_stream(stream)));
}

void rotate(const Rotation& call, Stream stream) {
  require_queued(cuda.step->rotate(call, on_stream(stream)));
}
void gather_rows(const TableRows& rows, const float* table, float* out, Stream stream) {
  require_queued(cuda.step->gather_rows(rows, table, out, on_stream(stream)));
}
void add_rows(const TableRows& rows, const float* in, float* table, Stream stream) {
  require_queued(cuda.step->add_rows(rows, in, table, on_stream(stream)));
}
void logit_rows(const LogitRowsCall& call, Stream stream) {
  require_queued(cuda.step->logit_rows(call, on_stream(stream)));
}
void logit_gradient(const LogitGradient& call, Stream stream) {
  require_queued(cuda.step->logit_gradient(call, on_stream(stream)));
}
void squared_error(const float* y, const float* t, std::int64_t size, float* differences, double* sum, Stream stream) {
  require_queued(cuda.step->squared_error(y, t, size, differences, sum, on_stream(stream)));
}
void scale(float* x, std::int64_t size, const MeanShare& share, Stream stream) {
  require_queued(cuda.step->scale(x, size, share, on_stream(stream)));
}

// One pass of the plain kernel does it: nothing is scaled, and rows have no gaps.
bool is_plain(const QuantizeTask& task) {
  const Quantizer& q = task.quantizer();
  const MatrixShape& shape = task.shape();
  if (shape.rows == 0 || shape.cols == 0) return true;
  return !q.is_scaled() && !q.hadamard && !q.element.range && q.arithmetic == Arithmetic::Te &&
         shape.row_stride == shape.cols;
}

void quantize(QuantizeTask& task, const float* in, const RandomKey& key, const float* amax,
              const MatrixOutputs& outputs, MatrixNumbers* numbers, Stream stream) {
  const Quantizer& q = task.quantizer();
  FoundNumbers found{numbers, ResultQuantum(q.element.format)};
  if (is_plain(task)) {
    const std::int64_t size = task.shape().rows * task.shape().cols;
    QuantizeCall call = prepare_call(in, outputs.values, size, q.element, 1.0f, key, 0);
    call.packed = outputs.packed;
    return require_queued(cuda.quantize->quantize(call, found, on_stream(stream)));
  }
  if (has_outer_scale(q)) found.outer_max = q.scaling_if<Nvfp4Scaling>()->four_over_six_max;
  MatrixCall call = task.plain();
  call.elements.key = key;
  const MatrixArrays arrays{in, outputs.values, outputs.packed, outputs.scales, outputs.multipliers};
  require_queued(cuda.matrix->quantize(call, arrays, amax, found, on_stream(stream)));
}

void round(const PieceRounder& rounder, const NumberRows& numbers, Stream stream) {
  if (const std::optional<QuantizeCall> call = rounder.call(numbers.data, 0, numbers.rows * numbers.cols))
    require_queued(cuda.quantize->round(*call, numbers, on_stream(stream)));
}

float amax(const float* x, std::int64_t size, Stream stream) {
  float result = 0;
  require_queued(cuda.quantize->amax(x, size, on_stream(stream), result));
  return result;
}

void scale_sums(const ScaledSums& call, Stream stream) {
  require_queued(cuda.matrix->scale_sums(call, on_stream(stream)));
}
void range_of_scales(const float* scales, std::int64_t size, ScaleRange* range, Stream stream) {
  require_queued(cuda.matrix->range_of_scales(scales, size, range, on_stream(stream)));
}
void scale_numbers(const ScaledNumbers& call, ScaleRange* range, Stream stream) {
  require_queued(cuda.matrix->scale_numbers(call, range, on_stream(stream)));
}
void divide_outer_scale(const float* scales, std::int64_t size, const Factor& outer, float* out, Stream stream) {
  const FormatConstants e4m3 = prepare(kE4m3, Overflow::Saturate);
  require_queued(cuda.matrix->divide_outer_scale(scales, size, outer, e4m3, out, on_stream(stream)));
}
void emulate_gemm(const EmulatedGemm& call, Stream stream) {
  if (call.m > 0 && call.n > 0) require_queued(cuda.matrix->gemm_emulated(prepare_gemm(call), on_stream(stream)));
}
void look(const Assumption* assumptions, std::int64_t count, std::uint32_t* failed, Stream stream) {
  require_queued(cuda.step->look(assumptions, count, failed, on_stream(stream)));
}

void attention_forward(const AttentionForward& call, Stream stream) {
  require_queued(cuda.attention->forward(call, on_stream(stream)));
}
void attention_backward(const AttentionBackward& call, Stream stream) {
  require_queued(cuda.attention->backward(call, on_stream(stream)));
}

}  // namespace

const Machine& cuda_machine(const CudaLibrary& library, const CudaHost& host) {
  require_queued(library.open_gpu());
  cuda = library;
  static Machine machine{.current_stream = nullptr,
                         .norm_forward = norm_forward,
                         .norm_backward = norm_backward,
                         .causal_softmax = causal_softmax,
                         .causal_softmax_backward = causal_softmax_backward,
                         .gelu = gelu,
                         .gelu_gradient = gelu_gradient,
                         .column_sums = column_sums,
                         .rotate = rotate,
                         .gather_rows = gather_rows,
                         .add_rows = add_rows,
                         .logit_rows = logit_rows,
                         .logit_gradient = logit_gradient,
                         .squared_error = squared_error,
                         .scale = scale,
                         .quantize = quantize,
                         .round = round,
                         .amax = amax,
                         .amaxes = amaxes,
                         .scale_sums = scale_sums,
                         .range_of_scales = range_of_scales,
                         .scale_numbers = scale_numbers,
                         .divide_outer_scale = divide_outer_scale,
                         .multiply = nullptr,
                         .gemm_emulated = emulate_gemm,
                         .look = look,
                         .attention_forward = attention_forward,
                         .attention_backward = attention_backward};
  machine.current_stream = host.current_stream;
  machine.multiply = host.multiply;
  machine.has_free_sums = host.has_free_sums;
  machine.graphs = host.graphs;
  return machine;
}

}  // namespace precipice
