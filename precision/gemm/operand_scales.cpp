// SPDX-License-Identifier: Apache-2.0
#include "precision/gemm/operand_scales.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include "precision/format/format_presets.h"
#include "precision/format/quantum.h"
#include "precision/quantize/device.h"

namespace precipice {
namespace {

struct Scaled {
  at::Tensor values;
  bool overflows = false;
};

// Values times scales, contiguous; `type` bf16 for products that are bf16 numbers.
Scaled times_scales_of_rows(const Quantized& q, at::ScalarType type) {
  const at::Tensor values = q.values.contiguous();
  Scaled result{at::empty(values.sizes(), values.options().dtype(type))};
  const std::int64_t rows = values.size(-2), cols = values.size(-1), matrix = rows * cols;
  const Machine& machine = machine_of(values);
  ScaledNumbers call{.in_bf16 = values.scalar_type() != at::kFloat,
                     .out_bf16 = type != at::kFloat,
                     .rows = rows,
                     .cols = cols,
                     .block_rows = q.block_rows,
                     .block_k = q.block_k,
                     .scales = {}};
  for (std::int64_t index = 0; index < matrices_of(values); ++index) {
    const at::Tensor scales = matrix_at(q.scales, index);
    call.scales = RowScales(q, scales).values();
    call.in = static_cast<const char*>(values.const_data_ptr()) + index * matrix * values.element_size();
    call.out = static_cast<char*>(result.values.mutable_data_ptr()) + index * matrix * result.values.element_size();
    result.overflows |= machine.scale_numbers(call, machine.current_stream());
  }
  return result;
}

// The same in the order of storage of `values`.
Scaled times_scales(const Quantized& q, at::ScalarType type) {
  const bool lies_in_columns = !q.values.is_contiguous() && q.values.transpose(-2, -1).is_contiguous();
  if (!lies_in_columns) return times_scales_of_rows(q, type);
  const Scaled columns = times_scales_of_rows(q.transposed(), type);
  return {columns.values.transpose(-2, -1), columns.overflows};
}

}  // namespace

at::Tensor without_outer_scale(const at::Tensor& scales, float outer) {
  at::Tensor block_scales = at::empty_like(scales);
  const Machine& machine = machine_of(scales);
  machine.divide_outer_scale(scales.const_data_ptr<float>(), scales.numel(), outer,
                             block_scales.mutable_data_ptr<float>(), machine.current_stream());
  return block_scales;
}

OperandKind kind_of(const Quantized& operand) {
  const ScaleLayout scales = operand.scales.defined()
                                 ? operand.scales.size(-1) > 1 ? ScaleLayout::BlocksOfK : ScaleLayout::Rows
                             : operand.scale != 1.0f ? ScaleLayout::Tensor
                                                     : ScaleLayout::None;
  return {operand.values.scalar_type() == at::kBFloat16, operand.quantum, scales};
}

at::Tensor matrix_at(const at::Tensor& x, std::int64_t index) {
  if (!x.defined() || x.dim() == 2) return x;
  return x.flatten(0, -3).select(0, index);
}

std::int64_t matrices_of(const at::Tensor& x) {
  return count_in(x.sizes(), static_cast<std::size_t>(x.dim() - 2));
}

RowScales::RowScales(const Quantized& operand, const at::Tensor& scales)
    : fixed_(operand.scale),
      data_(scales.defined() ? scales.const_data_ptr<float>() : nullptr),
      block_rows_(operand.block_rows) {
  if (data_ == nullptr) return;
  row_stride_ = scales.stride(-2);
  block_stride_ = scales.size(-1) > 1 ? scales.stride(-1) : 0;
}

at::Tensor dequantized(const Quantized& operand) {
  if (!operand.scales.defined()) {
    const at::Tensor values = operand.values.to(at::kFloat).contiguous();
    return operand.scale == 1.0f ? values : values.mul(operand.scale);
  }
  return times_scales(operand, at::kFloat).values.contiguous();
}

std::optional<Quantized> folded(const Quantized& operand) {
  const bool has_outer = operand.outer != 1.0f;
  const at::Tensor scales = operand.scales.contiguous();
  const Machine& machine = machine_of(scales);
  const auto [smallest, powers_of_two] =
      machine.range_of_scales(scales.const_data_ptr<float>(), scales.numel(), machine.current_stream());
  if (!has_outer && !powers_of_two) return std::nullopt;
  if (!(double{smallest} * operand.quantum >= 0x1p-149)) return std::nullopt;
  // A quotient by the tensor's scale is a multiple of E4M3's quantum.
  const double quantum = operand.quantum * (has_outer ? quantum_of(kE4m3) : double{smallest});
  Quantized result = operand;
  if (has_outer) result.scales = without_outer_scale(scales, operand.outer);
  const bool fits_bf16 = operand.values.scalar_type() == at::kBFloat16 && quantum >= 0x1p-126;
  const Scaled scaled = times_scales(result, fits_bf16 ? at::kBFloat16 : at::kFloat);
  if (scaled.overflows) return std::nullopt;
  result.values = scaled.values;
  result.scales = at::Tensor();
  result.scale = operand.outer;
  result.quantum = static_cast<float>(quantum);
  return result;
}

}  // namespace precipice
