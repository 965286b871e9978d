// SPDX-License-Identifier: Apache-2.0
#include "precision/gemm/operand_scales.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/from_blob.h>

#include "precision/format/format_presets.h"
#include "precision/format/quantum.h"
#include "precision/quantize/device.h"

namespace precipice {
namespace {

// A ScaleRange in the memory of an operand: of the host, or of a device as bytes, where the host reads it if it must.
class RangePlace {
 public:
  explicit RangePlace(const at::Tensor& operand) {
    if (!operand.is_cpu()) there_ = at::empty({sizeof(ScaleRange)}, operand.options().dtype(at::kByte));
  }
  ScaleRange* place() { return there_.defined() ? static_cast<ScaleRange*>(there_.mutable_data_ptr()) : &here_; }
  const at::Tensor& there() const { return there_; }
  ScaleRange read() const { return there_.defined() ? number_at<ScaleRange>(there_.cpu().const_data_ptr()) : here_; }

 private:
  ScaleRange here_;
  at::Tensor there_;
};

struct ProductType {
  at::ScalarType type;
  bool checks_bf16 = false;
};

// Values times scales, contiguous; bf16 for products that are bf16 numbers. `range` may be null.
at::Tensor times_scales_of_rows(const Quantized& q, const ProductType& type, ScaleRange* range) {
  const at::Tensor values = q.values.contiguous();
  at::Tensor result = at::empty(values.sizes(), values.options().dtype(type.type));
  const std::int64_t rows = values.size(-2), cols = values.size(-1), matrix = rows * cols;
  const Machine& machine = machine_of(values);
  ScaledNumbers call{.in_bf16 = values.scalar_type() != at::kFloat,
                     .out_bf16 = type.type != at::kFloat,
                     .checks_bf16 = type.checks_bf16,
                     .rows = rows,
                     .cols = cols,
                     .block_rows = q.block_rows,
                     .block_k = q.block_k,
                     .scales = {}};
  for (std::int64_t index = 0; index < matrices_of(values); ++index) {
    const at::Tensor scales = matrix_at(q.scales, index);
    call.scales = RowScales(q, scales).values();
    call.in = static_cast<const char*>(values.const_data_ptr()) + index * matrix * values.element_size();
    call.out = static_cast<char*>(result.mutable_data_ptr()) + index * matrix * result.element_size();
    machine.scale_numbers(call, range, machine.current_stream());
  }
  return result;
}

// The same in the order of storage of `values`.
at::Tensor times_scales(const Quantized& q, const ProductType& type, ScaleRange* range) {
  const bool lies_in_columns = !q.values.is_contiguous() && q.values.transpose(-2, -1).is_contiguous();
  if (!lies_in_columns) return times_scales_of_rows(q, type, range);
  return times_scales_of_rows(q.transposed(), type, range).transpose(-2, -1);
}

// A number in the memory that x lies in.
at::Tensor on_device(const float* number, const at::Tensor& x) {
  return at::for_blob(const_cast<float*>(number), {}).options(x.options()).target_device(x.device()).make_tensor();
}

// A quotient by the tensor's scale is a multiple of E4M3's quantum.
double quantum_of(const FoldedScales& facts, const ScaleRange& range) {
  return facts.of_elements * (facts.has_outer ? quantum_of(kE4m3) : double{range.smallest});
}

bool has_outer(const Quantized& operand) {
  return operand.outer_at != nullptr || operand.outer != 1.0f;
}

// The range of an operand's scales, contiguous, where they lie.
RangePlace range_of(const at::Tensor& scales) {
  const Machine& machine = machine_of(scales);
  RangePlace range(scales);
  machine.range_of_scales(scales.const_data_ptr<float>(), scales.numel(), range.place(), machine.current_stream());
  return range;
}

// Of scales that are no powers of two by their rule: it is taken for granted that they are none.
std::optional<Quantized> left_there(const Quantized& operand, StepLedger& ledger) {
  const FoldedScales facts{false, operand.quantum};
  ledger.take_for_granted(range_of(operand.scales.contiguous()).there(), {Assumption::Kind::ScalesAreNotFolded, facts});
  return std::nullopt;
}

// Values stay bf16 if they are, and what multiplies them asks for their quantum: numbers that are too small for bf16's
// instructions are bf16 numbers all the same.
std::optional<Quantized> folded_there(const Quantized& operand, StepLedger& ledger) {
  const FoldedScales facts{has_outer(operand), operand.quantum};
  const at::Tensor scales = operand.scales.contiguous();
  RangePlace range = range_of(scales);
  Quantized result = operand;
  if (facts.has_outer) result.scales = without_outer_scale(scales, operand.outer_factor());
  const bool fits_bf16 =
      operand.values.scalar_type() == at::kBFloat16 && (!facts.has_outer || quantum_of(facts, {}) >= 0x1p-126);
  result.values = times_scales(result, {fits_bf16 ? at::kBFloat16 : at::kFloat, fits_bf16}, range.place());
  result.scales = at::Tensor();
  result.scale = operand.outer, result.scale_at = operand.outer_at;
  if (facts.has_outer)
    result.quantum = static_cast<float>(quantum_of(facts, {}));
  else
    result.quantum_at = &range.place()->smallest;
  result.scale_range = range.there();
  ledger.take_for_granted(range.there(), {Assumption::Kind::ScalesAreFolded, facts});
  if (operand.outer_at != nullptr) ledger.take_for_granted(operand.numbers, {Assumption::Kind::OuterScaleIsNotOne, {}});
  return result;
}

}  // namespace

at::Tensor without_outer_scale(const at::Tensor& scales, const Factor& outer) {
  at::Tensor block_scales = at::empty_like(scales);
  const Machine& machine = machine_of(scales);
  machine.divide_outer_scale(scales.const_data_ptr<float>(), scales.numel(), outer,
                             block_scales.mutable_data_ptr<float>(), machine.current_stream());
  return block_scales;
}

OperandKind kind_of(const Quantized& operand) {
  const ScaleLayout scales = operand.scales.defined()
                                 ? operand.scales.size(-1) > 1 ? ScaleLayout::BlocksOfK : ScaleLayout::Rows
                             : operand.scale != 1.0f || operand.scale_at != nullptr ? ScaleLayout::Tensor
                                                                                    : ScaleLayout::None;
  return {operand.values.scalar_type() == at::kBFloat16, operand.quantum_at != nullptr ? 0.0 : operand.quantum, scales};
}

at::Tensor matrix_at(const at::Tensor& x, std::int64_t index) {
  if (!x.defined() || x.dim() == 2) return x;
  return x.flatten(0, -3).select(0, index);
}

std::int64_t matrices_of(const at::Tensor& x) {
  return count_in(x.sizes(), static_cast<std::size_t>(x.dim() - 2));
}

RowScales::RowScales(const Quantized& operand, const at::Tensor& scales)
    : fixed_(operand.scale_factor()),
      data_(scales.defined() ? scales.const_data_ptr<float>() : nullptr),
      block_rows_(operand.block_rows) {
  if (data_ == nullptr) return;
  row_stride_ = scales.stride(-2);
  block_stride_ = scales.size(-1) > 1 ? scales.stride(-1) : 0;
}

at::Tensor dequantized(const Quantized& operand) {
  if (!operand.scales.defined()) {
    const at::Tensor values = operand.values.to(at::kFloat).contiguous();
    if (operand.scale_at != nullptr) return values.mul(on_device(operand.scale_at, values));
    return operand.scale == 1.0f ? values : values.mul(operand.scale);
  }
  return times_scales(operand, {at::kFloat}, nullptr).contiguous();
}

std::optional<Quantized> folded(const Quantized& operand, StepLedger* ledger) {
  if (ledger != nullptr && !operand.values.is_cpu() && operand.quantum_at == nullptr)
    return operand.powers_of_two || has_outer(operand) ? folded_there(operand, *ledger) : left_there(operand, *ledger);
  Quantized result = operand;
  result.know_numbers();
  const at::Tensor scales = operand.scales.contiguous();
  RangePlace range = range_of(scales);
  const FoldedScales facts{result.outer != 1.0f, result.quantum};
  const ScaleRange known = range.read();
  if (!facts.can_be_exact(known)) return std::nullopt;
  const double quantum = quantum_of(facts, known);
  if (facts.has_outer) result.scales = without_outer_scale(scales, result.outer);
  const bool fits_bf16 = operand.values.scalar_type() == at::kBFloat16 && quantum >= 0x1p-126;
  result.values = times_scales(result, {fits_bf16 ? at::kBFloat16 : at::kFloat}, range.place());
  if (range.read().inexact != 0) return std::nullopt;
  result.scales = at::Tensor();
  result.scale = result.outer;
  result.quantum = static_cast<float>(quantum);
  return result;
}

}  // namespace precipice
