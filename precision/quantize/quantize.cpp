// SPDX-License-Identifier: Apache-2.0
#include "precision/quantize/quantize.h"

#include <ATen/core/DimVector.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>
#include <vector>

#include "precision/base/check.h"
#include "precision/format/quantum.h"
#include "precision/quantize/device.h"
#include "precision/quantize/noted_amax.h"
#include "precision/quantize/parallel.h"
#include "precision/quantize/piece_quantizer.h"
#include "precision/quantize/quantize_task.h"

namespace precipice {
namespace {

at::Tensor dense(const at::Tensor& x) {
  if (x.is_contiguous()) return x;
  at::Tensor y = at::empty(x.sizes(), x.options());
  copy_into(y, x);
  return y;
}

// The axes from the longest stride to the shortest.
at::DimVector memory_order(const at::Tensor& x) {
  at::DimVector order(static_cast<std::size_t>(x.dim()));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::int64_t a, std::int64_t b) { return x.stride(a) > x.stride(b); });
  return order;
}

at::DimVector inverse_of(const at::DimVector& order) {
  at::DimVector inverse(order.size());
  for (std::size_t i = 0; i < order.size(); ++i)
    inverse[static_cast<std::size_t>(order[i])] = static_cast<std::int64_t>(i);
  return inverse;
}

// A tensor as rows in memory, one distance apart, where these are long enough to be worth a call each.
struct MemoryRows {
  std::int64_t cols, stride;
};
std::optional<MemoryRows> rows_in_memory(const at::Tensor& x) {
  constexpr std::int64_t kLongEnough = 128;
  std::int64_t cols = 1, axis = x.dim() - 1;
  for (; axis >= 0 && (x.size(axis) == 1 || x.stride(axis) == cols); --axis) cols *= x.size(axis);
  if (axis < 0) return MemoryRows{x.size(-1), x.size(-1)};
  if (cols < kLongEnough) return std::nullopt;
  std::int64_t next = x.stride(axis);
  const std::int64_t stride = next;
  for (; axis >= 0; --axis) {
    if (x.size(axis) > 1 && x.stride(axis) != next) return std::nullopt;
    next *= x.size(axis);
  }
  return stride >= cols ? std::optional<MemoryRows>({cols, stride}) : std::nullopt;
}

// With one scale and no random words the order of elements does not matter.
bool has_free_order(const Quantizer& q) {
  return is_one_scale(q.scaling) && !is_stochastic(q.element.rounding) && !q.hadamard;
}

// How the elements of an operand are walked through, and how what comes of it is the operand again.
struct OperandLayout {
  at::Tensor source;   // what is read, as `shape`
  MatrixShape shape;   // with its contraction
  bool is_copy;        // of x, to be overwritten
  at::DimVector axes;  // those of `source` in the operand's order (..., rows, K); empty: as they are
  bool is_transposed;  // the source's rows are the operand's K
  at::Tensor of_operand(const at::Tensor& result) const { return axes.empty() ? result : result.permute(axes); }
};

OperandLayout layout_of(const at::Tensor& x, const Quantizer& q, Contraction contraction) {
  const bool sums_over_rows = contraction == Contraction::AxisBefore;
  const bool knows_rows = !is_one_scale(q.scaling) || q.hadamard;  // where a row begins matters
  // Batches of matrices with scales along their first axis become rows of the operand.
  const bool is_turned = sums_over_rows && knows_rows && x.dim() > 2;

  OperandLayout layout;
  layout.is_transposed = sums_over_rows && !is_turned;
  at::Tensor lying = is_turned ? x.transpose(-2, -1) : x;
  at::DimVector axes(static_cast<std::size_t>(x.dim()));
  std::iota(axes.begin(), axes.end(), 0);
  // Elements in free order are taken as they lie in memory, which spares a copy of columns or heads.
  if (has_free_order(q) && !x.is_contiguous()) {
    const at::DimVector order = memory_order(x);
    const at::Tensor in_order = x.permute(order);
    if (!std::ranges::is_sorted(order) && (rows_in_memory(in_order) || order.back() == x.dim() - 2)) {
      lying = in_order;
      axes = inverse_of(order);
    }
  }
  if (layout.is_transposed) std::swap(axes[axes.size() - 2], axes[axes.size() - 1]);
  if (!std::ranges::is_sorted(axes)) layout.axes = axes;

  const auto memory_rows = has_free_order(q) ? rows_in_memory(lying) : std::nullopt;
  layout.source = memory_rows ? lying : dense(lying);
  layout.is_copy = !layout.source.is_alias_of(x);
  const std::int64_t cols = memory_rows ? memory_rows->cols : layout.source.size(-1);
  layout.shape = {cols == 0 ? 0 : layout.source.numel() / cols, cols, layout.is_transposed && knows_rows ? 0 : 1,
                  memory_rows ? memory_rows->stride : cols};
  return layout;
}

// (..., grid rows, grid columns) of a source's scales.
at::DimVector scale_sizes(const at::Tensor& source, const BlockGrid& grid, const Quantizer& q) {
  if (is_one_scale(q.scaling)) return {1, 1};
  at::DimVector sizes(source.sizes());
  sizes.back() = grid.grid_cols;
  std::int64_t& rows = sizes[sizes.size() - 2];
  if (source.dim() == 2) rows = grid.grid_rows;
  if (source.dim() > 2 && grid.block_rows != 1) {
    PRECIPICE_CHECK(grid.block_rows == rows, "blocks of rows need one matrix");
    rows = 1;
  }
  return sizes;
}

void set_numbers(Quantized& result, const MatrixNumbers& numbers) {
  result.events = numbers.events;
  result.scale = numbers.scale;
  result.outer = numbers.outer;
  result.quantum = numbers.quantum;
}

// In a device's memory.
MatrixNumbers* numbers_in(const at::Tensor& bytes) {
  return static_cast<MatrixNumbers*>(bytes.mutable_data_ptr());
}

}  // namespace

const float* Quantized::amax() const {
  if (numbers.defined()) return &numbers_in(numbers)->events.amax;
  return events.total > 0 ? &events.amax : nullptr;
}

void Quantized::know_numbers() {
  if (!numbers.defined() || events.total > 0) return;
  const at::Tensor downloaded = numbers.cpu();
  set_numbers(*this, *numbers_in(downloaded));
  scale_at = outer_at = quantum_at = nullptr;
}

Quantized Quantized::widened() const {
  Quantized other = *this;
  other.values = values.to(at::kFloat);
  return other;
}

Quantized Quantized::transposed() const {
  Quantized other = *this;
  other.values = values.transpose(-2, -1);
  if (scales.defined()) other.scales = scales.transpose(-2, -1);
  std::swap(other.block_rows, other.block_k);
  return other;
}

Quantized quantize(const at::Tensor& x, const Quantizer& q, Contraction contraction, const RandomKey& key,
                   const ScaleState& state, QuantizeOptions options) {
  PRECIPICE_CHECK(x.scalar_type() == at::kFloat, "quantizers take fp32 tensors, got ", x.scalar_type());
  PRECIPICE_CHECK(x.dim() >= 2, "an operand is a matrix, got ", x.sizes());
  if (q.is_identity()) {
    Quantized same;
    same.values = contraction == Contraction::AxisBefore ? x.transpose(-2, -1) : x;
    return same;
  }
  const Machine& machine = machine_of(x);
  const bool as_bf16 = options.as_bf16;
  PRECIPICE_CHECK(!as_bf16 || fits_bf16(q.element.format), to_string(q.element.format), " does not fit bf16");
  const OperandLayout layout = layout_of(x, q, contraction);
  const at::Tensor& source = layout.source;
  QuantizeTask task(q, layout.shape, state);
  const BlockGrid grid = task.grid();

  // A rotated tensor is there in fp32 before it is rounded. A copy is rotated and rounded in place.
  at::Tensor values, packed, scales = at::empty(scale_sizes(source, grid, q), source.options());
  if (!as_bf16 || q.hadamard) values = layout.is_copy ? source : at::empty(source.sizes(), source.options());
  if (as_bf16) packed = at::empty(source.sizes(), source.options().dtype(at::kBFloat16));
  const at::Tensor& result_values = as_bf16 ? packed : values;
  const bool is_in_place = !as_bf16 && (layout.is_copy || q.hadamard);
  const bool stream = !is_in_place && static_cast<std::int64_t>(result_values.nbytes()) >= kStreamedBytes;

  Quantized result;
  MatrixNumbers known;
  if (!x.is_cpu()) result.numbers = at::empty({sizeof(MatrixNumbers)}, source.options().dtype(at::kByte));
  MatrixNumbers* const numbers = x.is_cpu() ? &known : numbers_in(result.numbers);
  const at::Tensor noted = options.amax == nullptr && scales_by_amax(q) ? noted_amax(x) : at::Tensor();
  const float* const amax = noted.defined() ? noted.const_data_ptr<float>() : options.amax;
  machine.quantize(
      task, source.const_data_ptr<float>(), key, scales_by_amax(q) ? amax : nullptr,
      {values.defined() ? values.mutable_data_ptr<float>() : nullptr, scales.mutable_data_ptr<float>(), nullptr,
       as_bf16 ? static_cast<std::uint16_t*>(packed.mutable_data_ptr()) : nullptr, nullptr, options.count, stream},
      numbers, machine.current_stream());
  result.values = layout.of_operand(result_values);
  result.format = q.element.format;
  if (x.is_cpu()) {
    set_numbers(result, known);
  } else {
    result.quantum = static_cast<float>(quantum_of(q.element.format));
    if (q.is_scaled() && is_one_scale(q.scaling)) result.scale_at = &numbers->scale;
    if (has_outer_scale(q)) result.outer_at = &numbers->outer;
    if (as_bf16 && task.quantum_depends_on_results()) result.quantum = 1.0f, result.quantum_at = &numbers->quantum;
  }
  if (is_one_scale(q.scaling)) return result;
  result.scales = layout.of_operand(scales);
  result.powers_of_two = scales_are_powers_of_two(q);
  result.block_rows = layout.is_transposed ? grid.block_cols : grid.block_rows;
  result.block_k = layout.is_transposed ? grid.block_rows : grid.block_cols;
  return result;
}

bool serves_both_contractions(const Quantizer& q) {
  if (is_stochastic(q.element.rounding) || q.hadamard) return false;
  const BlockShape* block = block_of(q.scaling);
  return block != nullptr ? block->across == block->along : is_one_scale(q.scaling);
}

void copy_into(const at::Tensor& to, const at::Tensor& from) {
  PRECIPICE_CHECK(to.sizes() == from.sizes(), "a copy of ", from.sizes(), " to ", to.sizes());
  if (!to.is_cpu() || to.dim() != 4 || to.stride(-1) != 1 || from.stride(-1) != 1) {
    to.copy_(from);
    return;
  }
  const std::int64_t heads = to.size(1), rows = to.size(2);
  const auto bytes = static_cast<std::size_t>(to.size(3)) * sizeof(float);
  const float* in = from.const_data_ptr<float>();
  float* out = to.mutable_data_ptr<float>();
  at::parallel_for(0, to.size(0) * heads, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const float* first = in + i / heads * from.stride(0) + i % heads * from.stride(1);
      float* target = out + i / heads * to.stride(0) + i % heads * to.stride(1);
      for (std::int64_t row = 0; row < rows; ++row)
        std::memcpy(target + row * to.stride(2), first + row * from.stride(2), bytes);
    }
  });
}

float amax_of(const at::Tensor& x) {
  const at::Tensor source = dense(x);
  const Machine& machine = machine_of(source);
  return machine.amax(source.const_data_ptr<float>(), source.numel(), machine.current_stream());
}

bool can_round_in_place(const at::Tensor& x, const ElementQuantizer& element) {
  return x.is_contiguous() ||
         (!is_stochastic(element.rounding) && rows_in_memory(x.permute(memory_order(x))).has_value());
}

void round_output(const at::Tensor& x, const Factor& scale, const ElementQuantizer& element, const RandomKey& key) {
  PRECIPICE_CHECK(can_round_in_place(x, element), "outputs are rounded in place");
  if (element.is_identity()) {
    PRECIPICE_CHECK(scale.is_known(), "a scale that nothing rounds with");
    if (scale.known != 1.0f) x.mul_(scale.known);
    return;
  }
  const Machine& machine = machine_of(x);
  const PieceRounder rounder(element, scale.is_known() ? scale.known : 1.0f, key);
  NumberRows numbers{x.mutable_data_ptr<float>(), 1, x.numel(), x.numel(), scale.is_known() ? Factor{} : scale};
  const at::Tensor lying = x.is_contiguous() ? x : x.permute(memory_order(x));
  if (!lying.is_contiguous()) {
    const MemoryRows rows = *rows_in_memory(lying);
    numbers = {numbers.data, x.numel() / rows.cols, rows.cols, rows.stride, numbers.scale};
  }
  machine.round(rounder, numbers, machine.current_stream());
}

}  // namespace precipice
