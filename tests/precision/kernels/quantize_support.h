// SPDX-License-Identifier: Apache-2.0
// What the tests of the array loops share: the instruction sets of this CPU, inputs, and the slow count, which finds
// every result and event from its definition with the oracle.
#pragma once

#include <cmath>
#include <limits>
#include <vector>

#include "precision/base/check.h"
#include "precision/kernels/isa.h"
#include "precision/kernels/quantize_isa.h"
#include "tests/precision/kernels/isas.h"
#include "tests/precision/rounding/support.h"
#include "tests/support/catch.h"
#include "tests/support/reference_rounding.h"

namespace precipice::test {

// Numbers with fields lowest .. lowest + fields - 1 of binary32, and `specials` among them, a hundredth each.
inline std::vector<float> random_inputs(std::size_t size, int lowest, int fields, const std::vector<float>& specials) {
  Stream stream{size};
  std::vector<float> values(size);
  for (float& value : values) {
    const std::uint32_t bits = stream.next();
    const auto field = static_cast<std::uint32_t>(lowest + static_cast<int>(bits >> 24) % fields);
    value = float_of((bits & 0x807FFFFFu) | (field << 23));
    const std::size_t special = stream.next() % 100;
    if (special < specials.size()) value = specials[special];
  }
  return values;
}

// The same as binary64 numbers, with 29 more bits in use below where they are not special.
inline std::vector<double> widened(const std::vector<float>& values) {
  Stream stream{values.size()};
  std::vector<double> wide;
  for (const float value : values) {
    const bool filled = std::isfinite(value) && value != 0.0f && stream.next() % 4 != 0;
    const std::uint64_t below = filled ? stream.next() >> 3 : 0;
    wide.push_back(__builtin_bit_cast(double, __builtin_bit_cast(std::uint64_t, double{value}) | below));
  }
  return wide;
}

// From the definitions of the events in precision/kernels/quantize_kernels.h. out: what the loop made of in, compared
// as well.
template <class Input>
EventCounts slow_counts(const std::vector<Input>& in, const std::vector<float>& out, const ElementQuantizer& spec,
                        float scale, const RandomKey& key, std::uint64_t first) {
  const FloatFormat& f = spec.format;
  const double min_normal = reference::min_normal(f);
  EventCounts counts;
  Input largest = 0;
  int wrong = 0;
  for (std::size_t i = 0; i < in.size(); ++i) {
    Input x = in[i];
    if (spec.through_bf16) x = reference::round(parse_float_format("bf16"), Rounding::NearestEven, Overflow::Native, x);
    const Input y = x * static_cast<Input>(scale);
    const bool negative = std::signbit(y);
    double magnitude = std::fabs(static_cast<double>(y));
    if (f.subnormals == Subnormals::FlushInputs && magnitude < min_normal) magnitude = 0.0;
    double end = reference::max_finite(f);
    if (negative && f.sign == Sign::Twos) end = std::ldexp(1.0, 1 - f.bias);
    if (negative && f.sign == Sign::Unsigned) end = f.zero || magnitude == 0.0 ? 0.0 : -1.0;
    const std::uint32_t word = random_for(key, first + i, spec.random_bits);
    double unbounded = magnitude;
    if (std::isfinite(y))
      unbounded = reference::round_to_grid(f, spec.rounding, magnitude, negative, word, spec.random_bits);
    if (f.subnormals != Subnormals::Keep && unbounded < min_normal) unbounded = 0.0;
    const bool beyond = unbounded > end;

    wrong += !same(out[i], reference::round(f, spec.rounding, spec.overflow, y, word, spec.random_bits));
    counts.total += 1;
    counts.nan_in += std::isnan(x);
    counts.saturated += beyond && std::isfinite(out[i]);
    counts.overflowed += !std::isnan(x) && !std::isfinite(out[i]);
    counts.underflowed += x != 0 && out[i] == 0.0f && !beyond;
    counts.subnormal += out[i] != 0.0f && std::fabs(out[i]) < min_normal;
    if (std::isnan(x) || std::isnan(largest))
      largest = std::numeric_limits<Input>::quiet_NaN();
    else
      largest = std::max(largest, std::fabs(x));
  }
  counts.amax = static_cast<float>(largest);
  CHECK(wrong == 0);
  return counts;
}

inline bool equal(const EventCounts& a, const EventCounts& b) {
  return a.total == b.total && a.nan_in == b.nan_in && a.saturated == b.saturated && a.overflowed == b.overflowed &&
         a.underflowed == b.underflowed && a.subnormal == b.subnormal && same(a.amax, b.amax);
}

inline void check_equal(const EventCounts& a, const EventCounts& b) {
  CHECK(a.total == b.total);
  CHECK(a.nan_in == b.nan_in);
  CHECK(a.saturated == b.saturated);
  CHECK(a.overflowed == b.overflowed);
  CHECK(a.underflowed == b.underflowed);
  CHECK(a.subnormal == b.subnormal);
  CHECK(same(a.amax, b.amax));
}

inline const RandomKey kKey{0x123456789ABCDEFu, 17, 5, 3};

inline EventCounts run(const Isa& isa, const float* in, float* out, std::size_t size, const ElementQuantizer& spec,
                       float scale, std::uint64_t first = 0) {
  return isa.kernels->quantize(prepare_call(in, out, static_cast<std::int64_t>(size), spec, scale, kKey, first));
}
inline EventCounts run(const Isa& isa, const double* in, float* out, std::size_t size, const ElementQuantizer& spec,
                       float scale, std::uint64_t first = 0) {
  return isa.kernels->quantize_wide(prepare_call(in, out, static_cast<std::int64_t>(size), spec, scale, kKey, first));
}

// Bit for bit.
inline int differences(const float* a, const float* b, std::size_t size) {
  int count = 0;
  for (std::size_t i = 0; i < size; ++i) count += bits_of(a[i]) != bits_of(b[i]);
  return count;
}

}  // namespace precipice::test
