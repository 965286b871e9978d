// SPDX-License-Identifier: Apache-2.0
// Strips of blocks that stay in the cache: amaxes, scales, then the elements row by row with a buffer of multipliers.
#include "precision/scaling/block_quantize.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "precision/base/check.h"
#include "precision/format/format_presets.h"
#include "precision/format/log2_exponent.h"
#include "precision/kernels/isa.h"
#include "precision/kernels/target_clones.h"
#include "precision/scaling/four_over_six.h"
#include "precision/scaling/hadamard.h"

namespace precipice {
namespace {

constexpr std::int64_t kStrip = 4096;           // columns, in whole blocks
constexpr std::int64_t kStripElements = 65536;  // a quarter of a MiB: with its results within the second-level cache

ElementQuantizer element_of(const Quantizer& quantizer, bool through_bf16) {
  ElementQuantizer element = quantizer.element;
  element.through_bf16 = through_bf16;
  // microxcaling clamps int8 to both sides alike.
  if (is_microxcaling(quantizer.arithmetic) && element.format.sign == Sign::Twos) element.format.sign = Sign::Signed;
  return element;
}

const Quantizer& checked(const Quantizer& quantizer) {
  validate(quantizer);
  return quantizer;
}

// te's cast to E2M1 compares with zero: -0 is +0 for it, and a negative number that rounds to zero is code 8, -0.
bool turns_minus_zero(const Quantizer& quantizer) {
  return quantizer.scaling_if<Nvfp4Scaling>() != nullptr && quantizer.arithmetic != Arithmetic::Torchao;
}

// E2M1 has no NaN: te's cast gives +0, torchao's code 0xB.
float stand_in_for_nan(const Quantizer& quantizer) {
  return quantizer.arithmetic == Arithmetic::Torchao ? -1.5f : 0.0f;
}

bool is_minus_zero(float x) {
  return std::bit_cast<std::uint32_t>(x) == 0x80000000u;
}

PRECIPICE_CLONES bool has_minus_zero(const float* in, const float* multipliers, std::int64_t size, int shift) {
  std::uint32_t found = 0;
  const auto look = [&found](float product) { found |= static_cast<std::uint32_t>(is_minus_zero(product)); };
  if (shift == 0) {
    for (std::int64_t i = 0; i < size; ++i) look(in[i] * multipliers[i]);
    return found != 0;
  }
  const std::int64_t width = std::int64_t{1} << shift;
  for (std::int64_t begin = 0; begin < size; begin += width) {
    const std::int64_t end = std::min(begin + width, size);
    const float multiplier = multipliers[begin >> shift];
    for (std::int64_t i = begin; i < end; ++i) look(in[i] * multiplier);
  }
  return found != 0;
}

// The numbers with |x| where the product with their multiplier is -0: from there on it is +0, and the same events are
// counted. `in` itself where there are none. `multipliers`: one per 2^shift numbers; `buffer` may be `in`.
const float* without_minus_zeros(const float* in, const float* multipliers, std::int64_t size, int shift,
                                 float* buffer) {
  if (!has_minus_zero(in, multipliers, size, shift)) return in;
  for (std::int64_t i = 0; i < size; ++i)
    buffer[i] = is_minus_zero(in[i] * multipliers[i >> shift]) ? std::abs(in[i]) : in[i];
  return buffer;
}

float bf16_of(float x) {
  float result;
  active_kernels().blocks.to_bf16(&x, &result, 1);
  return result;
}

}  // namespace

MatrixPlan::MatrixPlan(const Quantizer& quantizer, const MatrixShape& shape, const ScaleState& state)
    : quantizer_(checked(quantizer)),
      shape_(shape),
      grid_(block_grid(quantizer, shape)),
      constants_(prepare_scales(quantizer, state.previous)),
      kernels_(&active_kernels()),
      through_bf16_(quantizer.element.through_bf16 && !quantizer.hadamard) {
  call_ = prepare_call(static_cast<const float*>(nullptr), nullptr, shape.rows * shape.cols,
                       element_of(quantizer, through_bf16_), 1.0f, {}, 0);
  choose_element();

  const Scaling& scaling = quantizer.scaling;
  const bool has_blocks = block_of(scaling) != nullptr;
  const bool is_one = !has_blocks && grid_.count() <= 1;
  PRECIPICE_CHECK(shape.row_stride == shape.cols || (is_one && !quantizer.hadamard), "rows ", shape.row_stride,
                  " apart");
  const bool is_per_column = !has_blocks && grid_.block_rows > 1 && grid_.block_cols == 1;
  has_global_scales_ = is_one || is_per_column;
  if (has_global_scales_) {
    if (std::holds_alternative<AmaxScaling>(scaling)) measured_size_ = grid_.grid_cols;
    const auto* fixed = std::get_if<FixedScaling>(&scaling);
    const float known = std::holds_alternative<DelayedScaling>(scaling) ? state.delayed : 1.0f;
    global_multiply_.assign(static_cast<std::size_t>(grid_.count()), fixed != nullptr ? fixed->scale : known);
  } else {
    row_step_ = grid_.block_rows;
    outers_.resize(1);
    if (nvfp4() != nullptr && nvfp4()->two_level)
      measured_size_ = !nvfp4()->row_scaled ? 1 : shape.contraction == 1 ? shape.rows : shape.cols;
  }
  if (quantizer.hadamard && shape.contraction == 0 && row_step_ % kHadamard != 0) {
    // A range must hold whole groups of the transform and whole blocks.
    while (row_step_ % kHadamard != 0) row_step_ += has_global_scales_ ? 1 : grid_.block_rows;
  }
}

void MatrixPlan::choose_element() {
  const Arithmetic arithmetic = quantizer_.arithmetic;
  const ElementQuantizer& element = quantizer_.element;
  const FloatFormat& f = element.format;
  const bool has_blocks = block_of(quantizer_.scaling) != nullptr;
  if (has_blocks && arithmetic == Arithmetic::MicroxcalingCuda) call_.format.sign_of_zero = 0;
  call_.divide = has_blocks && arithmetic == Arithmetic::DeepSeek;
  if (arithmetic == Arithmetic::DeepGemm && f == kE2m1 && element.rounding == Rounding::NearestEven)
    element_ = Element::DeepGemmFp4;
  if (arithmetic == Arithmetic::Microxcaling && has_blocks) {
    element_ = Element::Microxcaling;
    microxcaling_ = {f.emin(),
                     f.is_fixed_point(),
                     f.is_fixed_point() ? f.mantissa_bits + f.bias - 1 : f.mantissa_bits,
                     f.max_finite(),
                     f.min_normal(),
                     element.rounding == Rounding::NearestEven   ? 0
                     : element.rounding == Rounding::NearestAway ? 1
                                                                 : 2};
  }
}

MatrixCall MatrixPlan::plain() const {
  const Nvfp4Scaling* const blocks = nvfp4();
  MatrixCall call{};
  call.shape = shape_, call.grid = grid_, call.scales = constants_, call.elements = call_;
  call.rotates = quantizer_.hadamard, call.rotates_through_bf16 = quantizer_.element.through_bf16;
  call.is_fixed = has_global_scales_ && measured_size_ == 0;
  call.fixed = call.is_fixed && !global_multiply_.empty() ? global_multiply_[0] : 1.0f;
  call.is_one_amax = has_global_scales_ && measured_size_ == 1;
  call.outer = MatrixCall::Outer::None;
  if (blocks != nullptr && blocks->two_level)
    call.outer = !blocks->row_scaled       ? MatrixCall::Outer::Matrix
                 : shape_.contraction == 1 ? MatrixCall::Outer::Rows
                                           : MatrixCall::Outer::Columns;
  call.passes_over_nan = !has_global_scales_ && ignores_nan(constants_);
  call.is_zero_positive = turns_minus_zero(quantizer_);
  call.has_stand_in = blocks != nullptr, call.stand_in = stand_in_for_nan(quantizer_);
  call.flush = flush();
  call.four_over_six = blocks != nullptr ? blocks->four_over_six : FourOverSix::Off;
  call.element = element_, call.microxcaling = microxcaling_;
  call.products_through_bf16 = quantizer_.element.through_bf16;
  return call;
}

void MatrixPlan::rotate(const float* in, float* out, std::int64_t first_row, std::int64_t last_row) const {
  precipice::rotate(in, out, shape_, quantizer_.element.through_bf16, first_row, last_row);
}

void MatrixPlan::measure_amaxes(const float* in, std::int64_t first_row, std::int64_t last_row,
                                std::int32_t* patterns) const {
  const auto amax_of_blocks = kernels_->blocks.amax_of_blocks;
  const std::int64_t cols = shape_.cols, rows = last_row - first_row;
  if (measured_size_ == 0 || cols == 0 || rows == 0) return;
  const float* first = in + first_row * cols;
  const bool is_row_scaled = nvfp4() != nullptr && nvfp4()->row_scaled;
  const bool per_row = is_row_scaled && shape_.contraction == 1;
  const bool per_column = has_global_scales_ ? grid_.grid_cols > 1 : is_row_scaled && !per_row;
  if (shape_.row_stride != cols) {
    for (std::int64_t row = first_row; row < last_row; ++row)
      amax_of_blocks(in + row * shape_.row_stride, cols, cols, patterns);
  } else if (per_row) {
    amax_of_blocks(first, rows * cols, cols, patterns + first_row);
  } else if (per_column) {
    kernels_->blocks.amax_of_columns(first, rows, cols, cols, patterns);
  } else {
    amax_of_blocks(first, rows * cols, rows * cols, patterns);
  }
}

float MatrixPlan::amax_of(std::int32_t pattern) const {
  const float amax = amax_of_pattern(pattern);
  // Rounding is monotonic: the largest of the rounded elements is the rounded largest.
  return through_bf16_ ? bf16_of(amax) : amax;
}

void MatrixPlan::finish_scales(const std::int32_t* patterns, const MatrixOutputs& outputs) {
  if (!has_global_scales_) {
    if (measured_size_ > 0) outers_.resize(static_cast<std::size_t>(measured_size_));
    for (std::int64_t i = 0; i < measured_size_; ++i)
      outers_[static_cast<std::size_t>(i)] = outer_scale(constants_, amax_of(patterns[i]));
    return;
  }
  for (std::size_t i = 0; i < global_multiply_.size(); ++i) {
    BlockScale scale{global_multiply_[i], 1.0f / global_multiply_[i]};
    if (measured_size_ > 0) scale = scale_of(constants_, amax_of(patterns[i]));
    global_multiply_[i] = scale.multiply;
    outputs.scales[i] = scale.inverse;
    if (outputs.multipliers != nullptr) outputs.multipliers[i] = scale.multiply;
  }
}

EventCounts MatrixPlan::quantize_rows(const float* in, std::int64_t first_row, std::int64_t last_row,
                                      const RandomKey& key, const MatrixOutputs& outputs) const {
  EventCounts counts;
  const std::int64_t cols = shape_.cols;
  if (cols == 0 || first_row == last_row) return counts;
  PRECIPICE_CHECK(first_row % row_step_ == 0 && last_row <= shape_.rows, "rows ", first_row, " to ", last_row, " of ",
                  shape_.rows, " in steps of ", row_step_);
  if (has_global_scales_) {
    const bool is_one = global_multiply_.size() == 1;
    const std::int64_t step = is_one && shape_.row_stride == cols ? last_row - first_row : 1;
    for (std::int64_t row = first_row; row < last_row; row += step) {
      const std::int64_t begin = row * cols;
      quantize_run({in + row * shape_.row_stride, step * cols, static_cast<std::uint64_t>(begin),
                    is_one ? nullptr : global_multiply_.data(), global_multiply_[0]},
                   key, outputs, counts);
    }
    return counts;
  }
  const std::int64_t width = strip_cols();
  if (grid_.block_rows == 1 && cols % grid_.block_cols == 0 && outers_.size() == 1 && 2 * grid_.block_cols <= kStrip) {
    // Rows of whole blocks follow one another as one long row.
    const std::int64_t all = (last_row - first_row) * cols;
    for (std::int64_t col = 0; col < all; col += width)
      quantize_strip({in, first_row, 1, col, std::min(width, all - col)}, key, outputs, counts);
    return counts;
  }
  for (std::int64_t row = first_row; row < last_row; row += grid_.block_rows) {
    const std::int64_t rows = std::min(grid_.block_rows, shape_.rows - row);
    for (std::int64_t col = 0; col < cols; col += width)
      quantize_strip({in, row, rows, col, std::min(width, cols - col)}, key, outputs, counts);
  }
  return counts;
}

std::int64_t MatrixPlan::strip_cols() const {
  const std::int64_t cols = std::clamp<std::int64_t>(kStripElements / grid_.block_rows, kStrip / 4, kStrip);
  return std::max(grid_.block_cols, cols / grid_.block_cols * grid_.block_cols);
}

float MatrixPlan::amax_without_nan(const BlockStrip& strip, std::int64_t block) const {
  const std::int64_t begin = block * grid_.block_cols, end = std::min(begin + grid_.block_cols, strip.cols);
  float largest = 0.0f;
  for (std::int64_t r = strip.first_row; r < strip.first_row + strip.rows; ++r) {
    for (std::int64_t c = begin; c < end; ++c) {
      const float x = strip.in[r * shape_.cols + strip.first_col + c];
      const float magnitude = x < 0.0f ? -x : x;
      if (magnitude > largest) largest = magnitude;
    }
  }
  return through_bf16_ ? bf16_of(largest) : largest;
}

const OuterScale& MatrixPlan::outer_of(std::int64_t row, std::int64_t col) const {
  if (outers_.size() == 1) return outers_[0];
  return outers_[static_cast<std::size_t>(shape_.contraction == 1 ? row : col)];
}

MatrixCall::Flush MatrixPlan::flush() const {
  const auto* mx = quantizer_.scaling_if<MxScaling>();
  if (mx == nullptr || !mx->flush_subnormal_blocks) return MatrixCall::Flush::None;
  if (quantizer_.arithmetic == Arithmetic::MicroxcalingCuda) return MatrixCall::Flush::Bits;
  return quantizer_.element.through_bf16 ? MatrixCall::Flush::Bf16Log2 : MatrixCall::Flush::Log2;
}

bool MatrixPlan::is_flushed(float amax) const {
  if (!(amax > 0.0f) || amax >= 0x1p-126f) return false;
  if (flush() == MatrixCall::Flush::Bits) return true;
  return (flush() == MatrixCall::Flush::Bf16Log2 ? floor_of_bf16_log2(amax) : floor_of_rounded_log2(amax)) <= -127;
}

void MatrixPlan::scale_strip(const BlockStrip& strip, const StripScales& scales) const {
  float *multiply = scales.multiply, *inverse = scales.inverse;
  const std::int64_t width = grid_.block_cols, blocks = (strip.cols + width - 1) / width;
  std::int32_t patterns[kStrip];
  float amaxes[kStrip];
  std::fill(patterns, patterns + blocks, 0);
  const float* first = strip.in + strip.first_row * shape_.cols + strip.first_col;
  const BlockKernels& kernels = kernels_->blocks;
  if (strip.rows > 1 && strip.cols <= kStrip) {
    // Down the columns first: patterns of magnitudes are numbers again.
    alignas(64) std::int32_t columns[kStrip];
    std::fill(columns, columns + strip.cols, 0);
    kernels.amax_of_columns(first, strip.rows, shape_.cols, strip.cols, columns);
    float magnitudes[kStrip];
    __builtin_memcpy(magnitudes, columns, static_cast<std::size_t>(strip.cols) * sizeof(float));
    kernels.amax_of_blocks(magnitudes, strip.cols, width, patterns);
  } else {
    for (std::int64_t r = 0; r < strip.rows; ++r)
      kernels.amax_of_blocks(first + r * shape_.cols, strip.cols, width, patterns);
  }
  for (std::int64_t b = 0; b < blocks; ++b) amaxes[b] = amax_of_pattern(patterns[b]);
  if (through_bf16_) kernels.to_bf16(amaxes, amaxes, blocks);
  if (ignores_nan(constants_)) {
    for (std::int64_t b = 0; b < blocks; ++b) {
      if (patterns[b] > kInfinityPattern) amaxes[b] = amax_without_nan(strip, b);
    }
  }
  if (nvfp4() != nullptr && nvfp4()->four_over_six != FourOverSix::Off) {
    // Under one outer scale all blocks at once.
    const std::int64_t step = outers_.size() > 1 && shape_.contraction == 0 ? 1 : blocks;
    for (std::int64_t b = 0; b < blocks; b += step) {
      const std::int64_t begin = b * width;
      const BlockRow row{first + begin, strip.rows, std::min(step * width, strip.cols - begin),
                         shape_.cols,   width,      shape_.contraction == 1};
      four_over_six_scales(constants_, row, amaxes + b, outer_of(strip.first_row, strip.first_col + begin),
                           nvfp4()->four_over_six, through_bf16_, multiply + b, inverse + b);
    }
  } else if (outers_.size() > 1 && shape_.contraction == 0) {
    for (std::int64_t b = 0; b < blocks; ++b)
      scales_of(constants_, amaxes + b, 1, outer_of(strip.first_row, strip.first_col + b * width), multiply + b,
                inverse + b);
  } else {
    scales_of(constants_, amaxes, static_cast<int>(blocks), outer_of(strip.first_row, strip.first_col), multiply,
              inverse);
  }
  if (flush() != MatrixCall::Flush::None) {
    for (std::int64_t b = 0; b < blocks; ++b) {
      if (is_flushed(amaxes[b])) multiply[b] = 0.0f;
    }
  }
}

void MatrixPlan::quantize_strip(const BlockStrip& strip, const RandomKey& key, const MatrixOutputs& outputs,
                                EventCounts& counts) const {
  const std::int64_t width = grid_.block_cols, blocks = (strip.cols + width - 1) / width;
  alignas(64) float multiply[kStrip], inverse[kStrip];  // of blocks
  alignas(64) float expanded[kStrip];                   // of elements
  const StripScales scales{multiply, inverse};
  scale_strip(strip, scales);

  const std::int64_t first_block =
      strip.first_row / grid_.block_rows * grid_.grid_cols + strip.first_col / grid_.block_cols;
  std::copy(inverse, inverse + blocks, outputs.scales + first_block);
  if (outputs.multipliers != nullptr) std::copy(multiply, multiply + blocks, outputs.multipliers + first_block);
  const bool is_one = blocks == 1 && !call_.divide;
  const std::int64_t piece = std::min(strip.cols, kStrip);
  const int shift = std::countr_zero(static_cast<std::uint64_t>(width));
  const bool by_block = element_ == Element::General && !call_.divide && width == std::int64_t{1} << shift &&
                        shift >= kMinBlockShift && shift <= kMaxBlockShift;
  // One block may be wider than the buffer, which then holds the same multiplier throughout.
  const bool is_expanded = !is_one && !by_block && width > 1;
  if (is_expanded) kernels_->blocks.expand(multiply, width, expanded, piece);
  const float* const multipliers = is_one ? nullptr : is_expanded ? expanded : multiply;
  for (std::int64_t r = 0; r < strip.rows; ++r) {
    const std::int64_t begin = (strip.first_row + r) * shape_.cols + strip.first_col;
    const std::int64_t step = is_one ? strip.cols : piece;
    for (std::int64_t c = 0; c < strip.cols; c += step)
      quantize_run({strip.in + begin + c, std::min(step, strip.cols - c), static_cast<std::uint64_t>(begin + c),
                    multipliers, multiply[0], by_block ? shift : 0},
                   key, outputs, counts);
  }
}

void MatrixPlan::quantize_as_peer(const ElementRun& run, const MatrixOutputs& outputs, EventCounts& counts) const {
  alignas(64) float staged[kStrip], own[kStrip], unpacked[kStrip];
  const BlockKernels& kernels = kernels_->blocks;
  for (std::int64_t begin = 0; begin < run.size; begin += kStrip) {
    const std::int64_t size = std::min(kStrip, run.size - begin);
    const auto place = static_cast<std::int64_t>(run.first_element) + begin;
    const float* in = run.in + begin;
    const float* multipliers = run.multipliers + begin;
    float* const out = outputs.packed == nullptr ? outputs.values + place : unpacked;
    std::int32_t largest = 0;
    if (run.multipliers == nullptr) {
      std::fill(own, own + size, run.multiplier);
      multipliers = own;
    }
    if (through_bf16_) {
      kernels.to_bf16(in, staged, size);
      in = staged;
    }
    kernels.amax_of_blocks(in, size, size, &largest);
    EventCounts events =
        element_ == Element::Microxcaling
            ? kernels.microxcaling(in, out, size, multipliers, microxcaling_, quantizer_.element.through_bf16)
            : kernels.deepgemm_fp4(in, out, size, multipliers);
    if (outputs.packed != nullptr) {
      const std::uint32_t smallest = kernels.pack_bf16(unpacked, outputs.packed + place, size);
      if (outputs.smallest_result != nullptr) *outputs.smallest_result = std::min(*outputs.smallest_result, smallest);
    }
    events.total = static_cast<std::uint64_t>(size);
    events.amax = amax_of_pattern(largest);
    counts += events;
  }
}

void MatrixPlan::quantize_run(const ElementRun& run, const RandomKey& key, const MatrixOutputs& outputs,
                              EventCounts& counts) const {
  if (element_ != Element::General) return quantize_as_peer(run, outputs, counts);
  float* const out = outputs.packed == nullptr ? outputs.values + run.first_element : nullptr;
  std::uint16_t* const packed = outputs.packed == nullptr ? nullptr : outputs.packed + run.first_element;
  alignas(64) float plus[kStrip];
  QuantizeCall call = call_;
  call.in = run.in;
  if (turns_minus_zero(quantizer_)) {
    PRECIPICE_CHECK(run.size <= kStrip, run.size, " elements");
    if (through_bf16_) {
      kernels_->blocks.to_bf16(run.in, plus, run.size);
      call.in = plus;
    }
    constexpr int kOneForAll = 62;
    const bool is_one = run.multipliers == nullptr;
    call.in = without_minus_zeros(call.in, is_one ? &run.multiplier : run.multipliers, run.size,
                                  is_one ? kOneForAll : run.block_shift, plus);
  }
  call.out = out;
  call.packed = packed;
  call.smallest_result = outputs.smallest_result;
  call.count = outputs.count || nvfp4() != nullptr;  // whose NaNs are looked for among the events
  call.stream = outputs.stream;
  call.size = run.size;
  call.scale = run.multipliers == nullptr ? run.multiplier : 1.0f;
  call.multipliers = run.multipliers;
  call.block_shift = run.multipliers == nullptr ? 0 : run.block_shift;
  call.divide = call_.divide && run.multipliers != nullptr;
  call.key = key;
  call.first_element = run.first_element;
  const EventCounts part = kernels_->quantize(call);
  counts += part;
  if (nvfp4() != nullptr && part.nan_in + part.overflowed > 0) {
    const float stand_in = stand_in_for_nan(quantizer_);
    const auto packed_stand_in = static_cast<std::uint16_t>(__builtin_bit_cast(std::uint32_t, stand_in) >> 16);
    for (std::int64_t i = 0; i < run.size; ++i) {
      if (packed == nullptr && out[i] != out[i]) out[i] = stand_in;
      if (packed != nullptr && (packed[i] & 0x7FFF) > 0x7F80) packed[i] = packed_stand_in;
    }
  }
}

EventCounts quantize_matrix(const float* in, const MatrixShape& shape, const Quantizer& quantizer, const RandomKey& key,
                            const MatrixOutputs& outputs, const ScaleState& state) {
  MatrixPlan plan(quantizer, shape, state);
  PRECIPICE_CHECK(outputs.multipliers != nullptr || !dequantizes_by_division(quantizer), "multipliers are needed");
  const float* source = in;
  if (quantizer.hadamard) {
    plan.rotate(in, outputs.values, 0, shape.rows);
    source = outputs.values;
  }
  std::vector<std::int32_t> patterns(static_cast<std::size_t>(plan.measured_size()), 0);
  plan.measure_amaxes(source, 0, shape.rows, patterns.data());
  plan.finish_scales(patterns.data(), outputs);
  return plan.quantize_rows(source, 0, shape.rows, key, outputs);
}

void dequantize_matrix(const float* values, const MatrixShape& shape, const Quantizer& quantizer, const float* scales,
                       const float* multipliers, float* out) {
  const BlockGrid grid = block_grid(quantizer, shape);
  const bool divides = dequantizes_by_division(quantizer);
  // microxcaling computes in the tensor's type; torchao's scale of a whole tensor has no dimensions, so that the
  // result keeps the tensor's type as well.
  const bool to_bf16 = quantizer.element.through_bf16 && (quantizer.arithmetic == Arithmetic::Microxcaling ||
                                                          (divides && is_one_scale(quantizer.scaling)));
  PRECIPICE_CHECK(!divides || multipliers != nullptr, "multipliers are needed");
  std::vector<float> factors(static_cast<std::size_t>(shape.cols));
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    if (row % grid.block_rows == 0) {
      const float* own = (divides ? multipliers : scales) + row / grid.block_rows * grid.grid_cols;
      for (std::int64_t c = 0; c < shape.cols; ++c) factors[static_cast<std::size_t>(c)] = own[c / grid.block_cols];
    }
    const float* from = values + row * shape.cols;
    float* to = out + row * shape.cols;
    for (std::int64_t c = 0; c < shape.cols; ++c) {
      const float factor = factors[static_cast<std::size_t>(c)];
      to[c] = divides ? from[c] / factor : from[c] * factor;
    }
    if (to_bf16) active_kernels().blocks.to_bf16(to, to, shape.cols);
  }
}

}  // namespace precipice
