// SPDX-License-Identifier: Apache-2.0
// The scalar rounding against the oracle of tests/support/reference_rounding.h, and against literals from the
// specifications (OCP OFP8 v1.0, OCP MX v1.0, IEEE 754).
#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <utility>

#include "tests/precision/rounding/support.h"
#include "tests/support/catch.h"
#include "tests/support/reference_rounding.h"

namespace precipice::test {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

// Compares one input in one mode with the oracle, from binary32 and widened to binary64; keeps the first difference.
class Comparison {
 public:
  Comparison(const FloatFormat& format, Rounding rounding, Overflow overflow)
      : format_(format),
        constants_(prepare(format_, overflow)),
        wide_constants_(prepare_wide(format_, overflow)),
        rounding_(rounding),
        overflow_(overflow) {}

  void check(float x) {
    const std::uint32_t random = is_stochastic(rounding_) ? words_.next() : 0;
    const int bits = 1 + static_cast<int>(random & 31);
    const float actual = round_as(rounding_, x, constants_, random, bits);
    const float expected = reference::round(format_, rounding_, overflow_, x, random, bits);
    if (!same(actual, expected) || (is_nan(x) && bits_of(actual) != bits_of(x))) keep(x, actual, expected);
    const float wide = round_as(rounding_, static_cast<double>(x), wide_constants_, random, bits);
    if (!same(wide, expected)) keep(x, wide, expected);
  }
  void check_wide(double x) {
    const std::uint32_t random = words_.next();
    const int bits = 1 + static_cast<int>(random & 31);
    const float actual = round_as(rounding_, x, wide_constants_, random, bits);
    const float expected = reference::round(format_, rounding_, overflow_, x, random, bits);
    if (!same(actual, expected)) keep(x, actual, expected);
  }
  void check_both_signs(float x) { check(x), check(-x); }
  void check_with_neighbours(float x) {
    check_both_signs(x);
    check_both_signs(std::nextafter(x, kInf));
    check_both_signs(std::nextafter(x, -kInf));
  }
  const std::string& first_difference() const { return first_difference_; }

 private:
  void keep(double x, float actual, float expected) {
    if (first_difference_.empty())
      first_difference_ = fmt::format("{} {} {}: {:a} -> {:a}, not {:a}", to_string(format_), to_string(rounding_),
                                      to_string(overflow_), x, actual, expected);
  }

  FloatFormat format_;
  FormatConstants constants_;
  WideFormatConstants wide_constants_;
  Rounding rounding_;
  Overflow overflow_;
  Stream words_{99};
  std::string first_difference_;
};

void check_special_inputs(Comparison& comparison) {
  for (const std::uint32_t bits :
       {0u, 1u, 2u, 0x003FFFFFu, 0x00400000u, 0x00600000u, 0x007FFFFFu, 0x00800000u, 0x00800001u, 0x7F7FFFFFu,
        0x7F800000u, 0x7F800001u, 0x7FBFFFFFu, 0x7FC00000u, 0x7FFFFFFFu}) {
    comparison.check(float_of(bits));
    comparison.check(float_of(bits | kSignBit));
  }
}

// All powers of two of binary32 and their neighbours.
void check_exponent_boundaries(Comparison& comparison) {
  for (int exponent = -149; exponent <= 127; ++exponent) comparison.check_with_neighbours(std::ldexp(1.0f, exponent));
}

// Every `stride`-th value, the midpoint to the next, and the binary32 neighbours of both; all of the last 64 values.
void check_grid(Comparison& comparison, const std::vector<double>& values, std::size_t stride) {
  for (std::size_t i = 0; i + 1 < values.size(); i += i + 64 < values.size() ? stride : 1) {
    comparison.check_with_neighbours(static_cast<float>(values[i]));
    comparison.check_with_neighbours(static_cast<float>((values[i] + values[i + 1]) / 2.0));
  }
  comparison.check_with_neighbours(static_cast<float>(values.back()));
}

void check_format(const FloatFormat& format, std::size_t stride) {
  const std::vector<double> values = reference::values(format);
  for (const Rounding rounding : all_roundings()) {
    for (const Overflow overflow : kOverflows) {
      Comparison comparison(format, rounding, overflow);
      check_special_inputs(comparison);
      check_exponent_boundaries(comparison);
      check_grid(comparison, values, stride);
      CHECK(comparison.first_difference() == "");
    }
  }
}

// Fields of binary32 that the format's own range spans, and a few on either side.
std::pair<int, int> fields_around(const FloatFormat& format) {
  return {std::max(0, format.emin() + 127 - format.mantissa_bits - 3), std::min(255, format.emax() + 127 + 2)};
}

std::vector<FloatFormat> presets() {
  std::vector<FloatFormat> formats;
  for (const PresetFormat& preset : preset_formats()) formats.push_back(preset.format);
  return formats;
}

void check_random_inputs(const FloatFormat& format, int count) {
  std::vector<Comparison> comparisons;
  for (const Rounding rounding : all_roundings()) {
    for (const Overflow overflow : kOverflows) comparisons.emplace_back(format, rounding, overflow);
  }
  const auto [lowest, highest] = fields_around(format);
  Stream stream{2024};
  for (int i = 0; i < count; ++i) {
    std::uint32_t bits = stream.next();
    // Every second input lies near the format's own range.
    const auto field =
        static_cast<std::uint32_t>(lowest + static_cast<int>(bits >> 23 & 0xFF) % (highest - lowest + 1));
    if (i % 2 == 0) bits = (bits & 0x807FFFFFu) | (field << 23);
    Comparison& comparison = comparisons[static_cast<std::size_t>(i / 2) % comparisons.size()];
    comparison.check(float_of(bits));
    // The same with 29 more bits below, which binary32 could not hold.
    const double wide = float_of(bits);
    const std::uint64_t below = __builtin_bit_cast(std::uint64_t, wide) | (stream.next() >> 3);
    comparison.check_wide(__builtin_bit_cast(double, below));
  }
  for (const Comparison& comparison : comparisons) CHECK(comparison.first_difference() == "");
}

}  // namespace

TEST_CASE("every value and midpoint with its neighbours rounds as defined, in every mode and policy, up to 12 bits") {
  for (const std::string& name : kSmallFormats) check_format(parse_float_format(name), 1);
}

// Wider presets take every 61st value besides the last 64; [slow] takes every one of them up to 19 bits.
TEST_CASE("values and midpoints with their neighbours round as defined for all presets") {
  for (const FloatFormat& format : presets())
    if (format.bits() <= 19) check_format(format, format.bits() > 12 ? 61 : 1);
}

TEST_CASE("every value and midpoint of all presets of up to 19 bits rounds as defined", "[.slow]") {
  for (const FloatFormat& format : presets())
    if (format.bits() <= 19) check_format(format, 1);
}

TEST_CASE("values and midpoints with their neighbours round as defined for 40 random formats") {
  for (const FloatFormat& format : random_formats(40, 16)) check_format(format, format.bits() > 10 ? 61 : 1);
}

TEST_CASE("every value and midpoint of 40 random formats rounds as defined", "[.slow]") {
  for (const FloatFormat& format : random_formats(40, 16)) check_format(format, 1);
}

TEST_CASE("random inputs round as defined, from binary32 and binary64, for all presets and 80 random formats") {
  for (const FloatFormat& format : presets()) check_random_inputs(format, 1 << 17);
  for (const std::string& name : kWideFormats) check_random_inputs(parse_float_format(name), 1 << 17);
  for (const FloatFormat& format : random_formats(40, 16)) check_random_inputs(format, 1 << 17);
  for (const FloatFormat& format : random_formats(40, 32)) check_random_inputs(format, 1 << 15);
}

TEST_CASE("2^20 random inputs in every mode round as defined, for all presets and 40 random formats", "[.slow]") {
  std::vector<FloatFormat> formats = presets();
  for (const FloatFormat& format : random_formats(40, 16)) formats.push_back(format);
  const int modes = static_cast<int>(all_roundings().size() * kOverflows.size());
  for (const FloatFormat& format : formats) check_random_inputs(format, modes << 20);
}

TEST_CASE("fp32 as a target changes no finite number and no NaN") {
  Stream stream{7};
  for (const Rounding rounding : kDeterministic) {
    const FormatConstants fp32 = prepare(parse_float_format("fp32"), Overflow::Native);
    int changed = 0;
    for (int i = 0; i < 1 << 18; ++i) {
      const float x = float_of(stream.next());
      changed += bits_of(round_as(rounding, x, fp32)) != bits_of(x);
      changed += bits_of(round_as(Rounding::Stochastic, x, fp32, stream.next(), 1 + i % 32)) != bits_of(x);
    }
    CHECK(changed == 0);
    CHECK(round_as(rounding, kInf, fp32) == kInf);
  }
  CHECK(round_to_format<Rounding::NearestEven>(-kInf, prepare(FloatFormat{}, Overflow::Saturate)) ==
        std::numeric_limits<float>::lowest());
}

TEST_CASE("every code of up to 16 bits is a fixed point of every mode") {
  for (const std::string& name : formats_up_to_16_bits()) {
    const FloatFormat format = parse_float_format(name);
    const FormatConstants constants = prepare(format, Overflow::Native);
    int moved = 0;
    for (std::uint32_t code = 0; code < 1u << format.bits(); ++code) {
      const float value = decode(format, code);
      for (const Rounding rounding : kDeterministic)
        moved += bits_of(round_as(rounding, value, constants)) != bits_of(value);
      for (const std::uint32_t random : {0u, 0xFFFFFFFFu})
        moved += bits_of(round_as(Rounding::Stochastic, value, constants, random)) != bits_of(value);
    }
    CHECK(moved == 0);
  }
}

TEST_CASE("E4M3 has the ties and limits of OCP OFP8") {
  const FormatConstants native = prepare(parse_float_format("e4m3"), Overflow::Native);
  const FormatConstants saturate = prepare(parse_float_format("e4m3"), Overflow::Saturate);
  const auto rne = [](float x, const FormatConstants& f) { return round_to_format<Rounding::NearestEven>(x, f); };
  CHECK(rne(464.0f, native) == 448.0f);  // the tie towards the value whose code is NaN
  CHECK(is_nan(rne(464.00003f, native)));
  CHECK(rne(464.00003f, saturate) == 448.0f);
  CHECK(rne(-464.00003f, saturate) == -448.0f);
  CHECK(is_nan(rne(kInf, native)));
  CHECK(rne(kInf, saturate) == 448.0f);
  CHECK(bits_of(rne(float_of(0xFFC01234u), saturate)) == 0xFFC01234u);
  CHECK(bits_of(rne(0x1p-10f, native)) == 0);  // half the smallest subnormal
  CHECK(bits_of(rne(-0x1p-10f, native)) == 0x80000000u);
  CHECK(rne(0x1.000002p-10f, native) == 0x1p-9f);
  CHECK(rne(0x1.8p-9f, native) == 0x1p-8f);
  CHECK(rne(1.0625f, native) == 1.0f);
  CHECK(rne(1.1875f, native) == 1.25f);
  CHECK(round_to_format<Rounding::NearestAway>(1.0625f, native) == 1.125f);
  CHECK(round_to_format<Rounding::TowardZero>(1e30f, native) == 448.0f);
  CHECK(round_to_format<Rounding::ToOdd>(450.0f, native) == 448.0f);
  CHECK(is_nan(round_to_format<Rounding::TowardZero>(kInf, native)));
  CHECK(is_nan(round_to_format<Rounding::Up>(449.0f, native)));
  CHECK(round_to_format<Rounding::Up>(-481.0f, native) == -448.0f);
  CHECK(round_to_format<Rounding::Down>(481.0f, native) == 448.0f);
}

TEST_CASE("E5M2, fp16, bf16, E2M1 and E4M3FNUZ have the limits of their specifications") {
  const auto rne = [](const char* name, float x) {
    return round_to_format<Rounding::NearestEven>(x, prepare(parse_float_format(name), Overflow::Native));
  };
  CHECK(rne("e5m2", 61439.996f) == 57344.0f);
  CHECK(rne("e5m2", 61440.0f) == kInf);
  CHECK(rne("e5m2", -61440.0f) == -kInf);
  CHECK(rne("e5m2", 0x1p-17f) == 0.0f);
  CHECK(rne("fp16", 65519.996f) == 65504.0f);
  CHECK(rne("fp16", 65520.0f) == kInf);
  CHECK(rne("fp16", 0x1.8p-24f) == 0x1p-23f);
  CHECK(rne("bf16", 1.00390625f) == 1.0f);
  CHECK(rne("bf16", 1.01171875f) == 1.015625f);
  CHECK(rne("bf16", 0x1.fep+127f) == 0x1.fep+127f);
  CHECK(rne("bf16", 0x1.ffp+127f) == kInf);
  CHECK(rne("e2m1", 5.0f) == 4.0f);
  CHECK(rne("e2m1", 0.25f) == 0.0f);
  CHECK(rne("e2m1", 0.75f) == 1.0f);
  CHECK(rne("e2m1", kInf) == 6.0f);  // neither infinity nor NaN: saturates
  CHECK(is_nan(rne("e2m1", std::numeric_limits<float>::quiet_NaN())));
  CHECK(bits_of(rne("e4m3fnuz", -0.0f)) == 0);
  CHECK(bits_of(rne("e4m3fnuz", -0x1p-12f)) == 0);
  CHECK(rne("e4m3fnuz", 247.99998f) == 240.0f);
  CHECK(is_nan(rne("e4m3fnuz", 248.0f)));
  CHECK(rne("e4m3:subnormals=flush", 0x1.ffp-7f) == 0x1p-6f);  // rounds up to the smallest normal first
  CHECK(bits_of(rne("e4m3:subnormals=flush", -0x1.cp-7f)) == 0x80000000u);
}

}  // namespace precipice::test
