// SPDX-License-Identifier: Apache-2.0
#include "tests/support/test_device/matrix_kernels.h"

#include <algorithm>

#include "precision/accumulator/prepared_gemm.h"
#include "precision/format/format_presets.h"
#include "tests/support/test_device/kernel_memory.h"

namespace precipice::test_device {
namespace {

// Of rows 0 .. rows - 1 and blocks 0 .. last_block.
OperandScales copied(Copies& copies, const OperandScales& scales, std::int64_t rows, std::int64_t last_block) {
  OperandScales there = scales;
  const std::int64_t last_row = (std::max<std::int64_t>(rows, 1) - 1) / scales.rows_per_scale;
  there.data = copies.in(scales.data, last_row * scales.row_stride + last_block * scales.block_stride + 1);
  return there;
}

ScalesOnDevice copied(Copies& copies, const RowScaleValues& scales, std::int64_t rows, std::int64_t last_block) {
  return {copied(copies, scales.of_rows, rows, last_block), value_of(scales.fixed)};
}

void scale_sums(const ScaledSums& given, Stream) {
  const std::int64_t size = given.rows * given.cols;
  Copies copies;
  float* const y = copies.out(given.y, size);
  const ScaledSumsOnDevice call{given.sums == given.y ? y : copies.in(given.sums, size),
                                y,
                                given.rows,
                                given.cols,
                                copied(copies, given.a, given.rows, given.block),
                                copied(copies, given.b, given.cols, given.block),
                                given.block};
  copies.done(kernels().matrix->scale_sums(call, {}), calls.scaled);
}

template <class Number>
const void* numbers_in(Copies& copies, const void* memory, std::int64_t size) {
  return copies.in(static_cast<const Number*>(memory), size);
}
template <class Number>
void* numbers_out(Copies& copies, void* memory, std::int64_t size) {
  return copies.out(static_cast<Number*>(memory), size);
}

void scale_numbers(const ScaledNumbers& given, ScaleRange* range, Stream) {
  const std::int64_t size = given.rows * given.cols;
  if (size == 0) return;
  Copies copies;
  const ScaledNumbersOnDevice call{
      given.in_bf16 ? numbers_in<std::uint16_t>(copies, given.in, size) : numbers_in<float>(copies, given.in, size),
      given.out_bf16 ? numbers_out<std::uint16_t>(copies, given.out, size)
                     : numbers_out<float>(copies, given.out, size),
      given.in_bf16,
      given.out_bf16,
      given.checks_bf16,
      given.rows,
      given.cols,
      given.block_rows,
      given.block_k,
      copied(copies, given.scales, given.rows, (given.cols - 1) / given.block_k)};
  bool inexact = false;
  copies.done(kernels().matrix->scale_numbers(call, {}, inexact), calls.scaled);
  if (inexact && range != nullptr) put(std::uint32_t{1}, &range->inexact);
}

void range_of_scales(const float* scales, std::int64_t size, ScaleRange* result, Stream) {
  Copies copies;
  const float* const there = copies.in(scales, size);
  ScaleRange range;
  bool powers_of_two = true;
  copies.done(kernels().matrix->range_of_scales(there, size, {}, range.smallest, powers_of_two), calls.scaled);
  range.powers_of_two = powers_of_two ? 1 : 0;
  put(range, result);
}

void divide_outer_scale(const float* scales, std::int64_t size, const Factor& outer, float* out, Stream) {
  Copies copies;
  const float* const from = copies.in(scales, size);
  float* const to = copies.out(out, size);
  copies.done(
      kernels().matrix->divide_outer_scale(from, size, value_of(outer), prepare(kE4m3, Overflow::Saturate), to, {}),
      calls.scaled);
}

GemmOperand copied(Copies& copies, const GemmOperand& operand, std::int64_t rows, std::int64_t k,
                   std::int64_t last_block) {
  GemmOperand there = operand;
  const bool is_empty = rows == 0 || k == 0;
  there.data = copies.in(operand.data, is_empty ? 0 : (rows - 1) * operand.row_stride + (k - 1) * operand.k_stride + 1);
  there.scales = copied(copies, operand.scales, rows, last_block);
  return there;
}

void gemm_emulated_there(const EmulatedGemm& given, Stream) {
  if (given.m == 0 || given.n == 0) return;
  const std::int64_t last_block = given.scale_block == 0 || given.k == 0 ? 0 : (given.k - 1) / given.scale_block;
  Copies copies;
  PreparedGemm call = prepare_gemm(given);
  call.gemm.a = copied(copies, given.a, given.m, given.k, last_block);
  call.gemm.b = copied(copies, given.b, given.n, given.k, last_block);
  call.gemm.out = copies.out(given.out, (given.m - 1) * given.out_stride + given.n);
  copies.done(kernels().matrix->gemm_emulated(call, {}), calls.emulated);
}

}  // namespace

void quantize_matrix_by_kernels(QuantizeTask& task, const float* in, const RandomKey& key, const float* amax,
                                const MatrixOutputs& outputs, MatrixNumbers* numbers) {
  MatrixCall call = task.plain();
  const MatrixShape& shape = call.shape;
  const std::int64_t size = shape.rows * shape.cols, blocks = call.grid.count();
  std::uint32_t smallest = ~0u;
  call.elements.key = key;
  call.elements.smallest_result = &smallest;
  Copies copies;
  const MatrixArrays arrays{copies.in(in, (shape.rows - 1) * shape.row_stride + shape.cols),
                            copies.out(outputs.values, size), copies.out(outputs.packed, size),
                            copies.out(outputs.scales, blocks), copies.out(outputs.multipliers, blocks)};
  EventCounts counts;
  const float known_amax = amax == nullptr ? 0.0f : value_of({1.0f, amax});
  copies.done(kernels().matrix->quantize(call, arrays, amax == nullptr ? nullptr : &known_amax, {}, counts),
              calls.matrices);
  task.record(smallest);
  const DeviceMemory::Opened at_work;
  *numbers = task.numbers(counts, outputs.scales);
}

void use_matrix_kernels(Machine& machine) {
  machine.scale_sums = scale_sums;
  machine.scale_numbers = scale_numbers;
  machine.range_of_scales = range_of_scales;
  machine.divide_outer_scale = divide_outer_scale;
  machine.gemm_emulated = gemm_emulated_there;
}

}  // namespace precipice::test_device
