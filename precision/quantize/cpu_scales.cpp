// SPDX-License-Identifier: Apache-2.0
// The CPU's loops of machine.h over operands with their scales.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "precision/format/bf16_bits.h"
#include "precision/format/log2_exponent.h"
#include "precision/quantize/cpu_loops.h"

namespace precipice::cpu {
namespace {

float widened(float x) {
  return x;
}
float widened(std::uint16_t x) {
  return float_of_bf16(x);
}
void put(float x, float& out) {
  out = x;
}
// A product that is a bf16 number.
void put(float x, std::uint16_t& out) {
  out = bf16_bits(__builtin_bit_cast(std::uint32_t, x));
}

// What ScaleRange calls inexact; other bf16 numbers if they are looked for.
template <bool LooksForOthers, class In, class Out>
bool multiply_matrix(const In* in, Out* out, const ScaledNumbers& call) {
  const std::int64_t cols = call.cols;
  std::vector<float> factors(static_cast<std::size_t>(cols));
  std::int32_t inexact = 0;
  for (std::int64_t row = 0; row < call.rows; ++row) {
    if (row % call.block_rows == 0)
      for (std::int64_t c = 0; c < cols; ++c) factors[static_cast<std::size_t>(c)] = call.scales(row, c / call.block_k);
    const float* factor = factors.data();
    const In* from = in + row * cols;
    Out* to = out + row * cols;
    for (std::int64_t c = 0; c < cols; ++c) {
      const float value = widened(from[c]), product = value * factor[c];
      inexact |= static_cast<std::int32_t>((product - product != 0.0f) & (value - value == 0.0f) &
                                           (factor[c] - factor[c] == 0.0f));
      inexact |= static_cast<std::int32_t>((factor[c] == kScaleOfZeros) & (value != 0.0f));
      put(product, to[c]);
      if constexpr (LooksForOthers)
        inexact |= static_cast<std::int32_t>(product == product && widened(to[c]) != product);
    }
  }
  return inexact != 0;
}

template <class In>
bool multiply_from(const In* in, const ScaledNumbers& call) {
  if (!call.out_bf16) return multiply_matrix<false>(in, static_cast<float*>(call.out), call);
  auto* const out = static_cast<std::uint16_t*>(call.out);
  return call.checks_bf16 ? multiply_matrix<true>(in, out, call) : multiply_matrix<false>(in, out, call);
}

}  // namespace

void scale_sums(const ScaledSums& call, Stream) {
  const std::int64_t rows = call.rows, cols = call.cols;
  const bool in_place = call.sums == call.y;
  std::vector<float> of_column(static_cast<std::size_t>(cols));
  for (std::int64_t n = 0; n < cols; ++n) of_column[static_cast<std::size_t>(n)] = call.b(n, call.block);
  const float* column = of_column.data();
  for (std::int64_t m = 0; m < rows; ++m) {
    const float of_row = call.a(m, call.block);
    const float* in = call.sums + m * cols;
    float* out = call.y + m * cols;
    if (in_place)
      for (std::int64_t n = 0; n < cols; ++n) out[n] *= of_row * column[n];
    else
      for (std::int64_t n = 0; n < cols; ++n) out[n] += in[n] * (of_row * column[n]);
  }
}

void range_of_scales(const float* scales, std::int64_t size, ScaleRange* result, Stream) {
  ScaleRange range;
  bool powers_of_two = true;
  for (std::int64_t i = 0; i < size; ++i) {
    const float scale = scales[i];
    if (!(scale > 0.0f) || scale == kScaleOfZeros) continue;
    powers_of_two = powers_of_two && !has_mantissa(scale);
    range.smallest = std::min(range.smallest, scale);
  }
  range.powers_of_two = powers_of_two ? 1 : 0;
  *result = range;
}

void scale_numbers(const ScaledNumbers& call, ScaleRange* range, Stream) {
  const bool inexact = call.in_bf16 ? multiply_from(static_cast<const std::uint16_t*>(call.in), call)
                                    : multiply_from(static_cast<const float*>(call.in), call);
  if (inexact && range != nullptr) range->inexact = 1;
}

}  // namespace precipice::cpu
