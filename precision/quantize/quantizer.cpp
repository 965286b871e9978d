// SPDX-License-Identifier: Apache-2.0
#include "precision/quantize/quantizer.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <numeric>
#include <optional>
#include <vector>

#include "precision/base/check.h"
#include "precision/format/quantum.h"
#include "precision/quantize/device.h"
#include "precision/quantize/parallel.h"
#include "precision/quantize/piece_quantizer.h"
#include "precision/quantize/result_quantum.h"
#include "precision/scaling/scale_formulas.h"

namespace precipice {
namespace {

constexpr std::int64_t kGrain = 32768;  // elements per task; a multiple of the 4 of a Philox block

// Calls body(first_row, last_row) for ranges of whole steps, of about kGrain elements. Counts add up and amaxes are
// maxima, so nothing depends on how rows are cut.
template <class Body>
void for_row_ranges(std::int64_t rows, std::int64_t cols, std::int64_t step, const Body& body) {
  const std::int64_t steps = (rows + step - 1) / step;
  const std::int64_t grain = std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, step * cols));
  at::parallel_for(0, steps, grain,
                   [&](std::int64_t begin, std::int64_t end) { body(begin * step, std::min(rows, end * step)); });
}

class Work {
 public:
  Work(const MatrixQuantizer& quantizer, const MatrixShape& shape, const ScaleState& state)
      : plan_(quantizer, shape, state), shape_(shape), quantum_(quantizer.element) {}

  const BlockGrid& grid() const { return plan_.grid(); }

  EventCounts run(const float* in, const RandomKey& key, bool hadamard, std::optional<float> amax,
                  const MatrixOutputs& outputs) {
    if (hadamard) {
      for_ranges([&](std::int64_t first, std::int64_t last) { plan_.rotate(in, outputs.values, first, last); });
      in = outputs.values;
    }
    if (amax)
      patterns_.assign(1, __builtin_bit_cast(std::int32_t, *amax));
    else
      measure(in);
    plan_.settle(patterns_.data(), outputs);
    EventCounts total;
    for_ranges([&](std::int64_t first, std::int64_t last) {
      std::uint32_t smallest = ~0u;
      MatrixOutputs own = outputs;
      if (quantum_.depends_on_results()) own.smallest_result = &smallest;
      const EventCounts part = plan_.quantize_rows(in, first, last, key, own);
      const std::lock_guard<std::mutex> lock(mutex_);
      total += part;
      quantum_.saw(smallest);
    });
    return total;
  }

  double quantum() const { return quantum_.value(); }

 private:
  template <class Body>
  void for_ranges(const Body& body) {
    for_row_ranges(shape_.rows, shape_.cols, plan_.row_step(), body);
  }

  void measure(const float* in) {
    patterns_.assign(static_cast<std::size_t>(plan_.measured_size()), 0);
    if (patterns_.empty()) return;
    for_ranges([&](std::int64_t first, std::int64_t last) {
      std::vector<std::int32_t> part(patterns_.size(), 0);
      plan_.measure(in, first, last, part.data());
      const std::lock_guard<std::mutex> lock(mutex_);
      for (std::size_t i = 0; i < part.size(); ++i) patterns_[i] = std::max(patterns_[i], part[i]);
    });
  }

  MatrixPlan plan_;
  MatrixShape shape_;
  ResultQuantum quantum_;
  std::vector<std::int32_t> patterns_;
  std::mutex mutex_;
};

at::Tensor dense(const at::Tensor& x) {
  if (x.is_contiguous()) return x;
  at::Tensor y = at::empty(x.sizes(), x.options());
  copy_into(y, x);
  return y;
}

// The axes from the longest stride to the shortest.
std::vector<std::int64_t> memory_order(const at::Tensor& x) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(x.dim()));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::int64_t a, std::int64_t b) { return x.stride(a) > x.stride(b); });
  return order;
}

std::vector<std::int64_t> inverse_of(const std::vector<std::int64_t>& order) {
  std::vector<std::int64_t> inverse(order.size());
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

bool is_one_scale(const MatrixQuantizer& q) {
  return q.kind == ScaleKind::None || q.kind == ScaleKind::Fixed || q.kind == ScaleKind::Tensor;
}

// The part of NVFP4's dequantization scale that is the tensor's; 1 where every block's scale is its own.
float outer_scale_of(const MatrixQuantizer& q, float amax) {
  if (q.rule != ScaleRule::Nvfp4 || !q.two_level || q.row_scaled || !(amax > 0.0f)) return 1.0f;
  return nvfp4_outer_scale(amax, q.four_over_six_max);
}

}  // namespace

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

Quantized quantize(const at::Tensor& x, const MatrixQuantizer& q, Contraction contraction, const RandomKey& key,
                   const ScaleState& state, QuantizeOptions options) {
  PRECIPICE_CHECK(x.scalar_type() == at::kFloat, "quantizers take fp32 tensors, got ", x.scalar_type());
  PRECIPICE_CHECK(x.dim() >= 2, "an operand is a matrix, got ", x.sizes());
  const bool before = contraction == Contraction::AxisBefore;
  if (q.is_identity()) {
    Quantized same;
    same.values = before ? x.transpose(-2, -1) : x;
    return same;
  }
  check_device(x);
  // With one scale and no random words the order of elements does not matter: they are taken as they lie in memory,
  // which spares a copy of columns or heads.
  const bool free_order = is_one_scale(q) && !is_stochastic(q.rounding) && !q.hadamard;
  if (free_order && !x.is_contiguous()) {
    const std::vector<std::int64_t> order = memory_order(x);
    const at::Tensor lying = x.permute(order);
    if (!std::ranges::is_sorted(order) && (rows_in_memory(lying) || order.back() == x.dim() - 2)) {
      Quantized result = quantize(lying, q, Contraction::LastAxis, key, state, options);
      result.values = result.values.permute(inverse_of(order));
      return before ? result.transposed() : result;
    }
  }
  // Batches of matrices with scales along their first axis become rows of the operand.
  const bool turned = before && x.dim() > 2 && !(is_one_scale(q) && !q.hadamard);
  const auto memory_rows = free_order ? rows_in_memory(x) : std::nullopt;
  const at::Tensor source = turned ? x.transpose(-2, -1).contiguous() : memory_rows ? x : dense(x);
  const bool as_bf16 = options.as_bf16;
  PRECIPICE_CHECK(!as_bf16 || fits_bf16(q.element), to_string(q.element), " does not fit bf16");
  // What was copied just now is rounded in place, or rotated.
  at::Tensor values = source.is_same(x) && (!as_bf16 || q.hadamard) ? at::empty(x.sizes(), x.options()) : source;
  at::Tensor packed = as_bf16 ? at::empty(source.sizes(), source.options().dtype(at::kBFloat16)) : at::Tensor();
  const std::int64_t cols = memory_rows ? memory_rows->cols : source.size(-1),
                     rows = cols == 0 ? 0 : source.numel() / cols;
  const bool down = before && !turned && (!is_one_scale(q) || q.hadamard);
  const MatrixShape shape{rows, cols, down ? 0 : 1, memory_rows ? memory_rows->stride : cols};

  Work work(q, shape, state);
  const BlockGrid grid = work.grid();
  std::vector<std::int64_t> grid_shape = source.sizes().vec();
  grid_shape.back() = grid.grid_cols;
  if (source.dim() > 2 && grid.block_rows != 1 && !is_one_scale(q)) {
    PRECIPICE_CHECK(grid.block_rows == source.size(-2), "blocks of rows need one matrix");
    grid_shape[grid_shape.size() - 2] = 1;
  } else {
    grid_shape[grid_shape.size() - 2] = source.dim() > 2 ? source.size(-2) : grid.grid_rows;
  }
  at::Tensor scales = is_one_scale(q) ? at::empty({1, 1}, source.options()) : at::empty(grid_shape, source.options());

  const bool is_in_place = !as_bf16 && (source.is_same(values) || q.hadamard);
  const bool stream = !is_in_place && static_cast<std::int64_t>((as_bf16 ? packed : values).nbytes()) >= kStreamedBytes;

  Quantized result;
  // Of a rotated tensor it is not this amax that counts.
  const bool has_one_amax = q.kind == ScaleKind::Tensor && !q.delayed && !q.hadamard;
  result.events = work.run(
      source.const_data_ptr<float>(), key, q.hadamard, has_one_amax ? options.amax : std::nullopt,
      {as_bf16 && !q.hadamard ? nullptr : values.mutable_data_ptr<float>(), scales.mutable_data_ptr<float>(), nullptr,
       as_bf16 ? static_cast<std::uint16_t*>(packed.mutable_data_ptr()) : nullptr, nullptr, options.count, stream});
  if (as_bf16) values = packed;
  result.outer = outer_scale_of(q, result.events.amax);
  result.quantum = static_cast<float>(work.quantum());
  const bool turn_back = before && !turned;
  result.values = turn_back ? values.transpose(-2, -1) : values;
  if (is_one_scale(q)) {
    result.scale = rows == 0 ? 1.0f : *scales.const_data_ptr<float>();
    return result;
  }
  result.scales = turn_back ? scales.transpose(-2, -1) : scales;
  result.block_rows = turn_back ? grid.block_cols : grid.block_rows;
  result.block_k = turn_back ? grid.block_rows : grid.block_cols;
  return result;
}

bool serves_both_contractions(const MatrixQuantizer& q) {
  if (is_stochastic(q.rounding) || q.hadamard) return false;
  return is_one_scale(q) || (q.kind == ScaleKind::Block && q.block_across == q.block_along);
}

void copy_into(const at::Tensor& to, const at::Tensor& from) {
  PRECIPICE_CHECK(to.sizes() == from.sizes(), "a copy of ", from.sizes(), " to ", to.sizes());
  if (to.dim() != 4 || to.stride(-1) != 1 || from.stride(-1) != 1) {
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
  return amax(source.const_data_ptr<float>(), source.numel());
}

bool can_round_in_place(const at::Tensor& x, const MatrixQuantizer& q) {
  return x.is_contiguous() || (!is_stochastic(q.rounding) && rows_in_memory(x.permute(memory_order(x))).has_value());
}

void round_output(const at::Tensor& x, float scale, const MatrixQuantizer& q, const RandomKey& key) {
  PRECIPICE_CHECK(can_round_in_place(x, q) && q.kind == ScaleKind::None, "outputs are rounded in place, unscaled");
  if (q.is_identity()) {
    if (scale != 1.0f) x.mul_(scale);
    return;
  }
  check_device(x);
  const PieceRounder rounder(q, scale, key);
  float* data = x.mutable_data_ptr<float>();
  const auto round = [&](std::int64_t place, std::int64_t size) { rounder.round(data, place, size); };
  const at::Tensor lying = x.is_contiguous() ? x : x.permute(memory_order(x));
  if (lying.is_contiguous()) {
    at::parallel_for(0, x.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) { round(begin, end - begin); });
    return;
  }
  const MemoryRows rows = *rows_in_memory(lying);
  at::parallel_for(0, x.numel() / rows.cols, std::max<std::int64_t>(1, kGrain / rows.cols),
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t row = begin; row < end; ++row) round(row * rows.stride, rows.cols);
                   });
}

}  // namespace precipice
