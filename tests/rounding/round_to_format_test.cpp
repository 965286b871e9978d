// SPDX-License-Identifier: Apache-2.0
// The scalar rounding against the oracle of tests/support/reference_rounding.h, and against literals from the
// specifications (OCP OFP8 v1.0, OCP MX v1.0, IEEE 754).
#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "tests/rounding/support.h"
#include "tests/support/catch.h"
#include "tests/support/reference_rounding.h"

namespace precipice::test {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

// Compares one input in one mode with the oracle; keeps the first difference.
class Comparison {
 public:
  Comparison(const std::string& name, Rounding rounding, Overflow overflow)
      : name_(name),
        format_(parse_float_format(name)),
        constants_(prepare(format_, overflow)),
        rounding_(rounding),
        overflow_(overflow) {}

  void check(float x) {
    const float actual = round_as(rounding_, x, constants_);
    const float expected = reference::round(format_, rounding_, overflow_, x);
    const bool nan_kept = !is_nan(x) || bits_of(actual) == bits_of(x);
    if ((same(actual, expected) && nan_kept) || !first_difference_.empty()) return;
    first_difference_ = fmt::format("{} {} {}: {:a} -> {:a}, not {:a}", name_, to_string(rounding_),
                                    to_string(overflow_), x, actual, expected);
  }
  void check_both_signs(float x) { check(x), check(-x); }
  void check_with_neighbours(float x) {
    check_both_signs(x);
    check_both_signs(std::nextafter(x, kInf));
    check_both_signs(std::nextafter(x, -kInf));
  }
  const std::string& first_difference() const { return first_difference_; }

 private:
  std::string name_;
  FloatFormat format_;
  FormatConstants constants_;
  Rounding rounding_;
  Overflow overflow_;
  std::string first_difference_;
};

void check_special_inputs(Comparison& comparison) {
  for (const std::uint32_t bits : {0u, 1u, 2u, 0x007FFFFFu, 0x00800000u, 0x00800001u, 0x7F7FFFFFu, 0x7F800000u,
                                   0x7F800001u, 0x7FBFFFFFu, 0x7FC00000u, 0x7FFFFFFFu}) {
    comparison.check(float_of(bits));
    comparison.check(float_of(bits | kSignBit));
  }
}

// Every `stride`-th value, the midpoint to the next, and the binary32 neighbours of both; all of the last 64 values.
void check_grid(Comparison& comparison, const std::vector<double>& values, std::size_t stride) {
  for (std::size_t i = 0; i + 1 < values.size(); i += i + 64 < values.size() ? stride : 1) {
    comparison.check_with_neighbours(static_cast<float>(values[i]));
    comparison.check_with_neighbours(static_cast<float>((values[i] + values[i + 1]) / 2.0));
  }
  comparison.check_with_neighbours(static_cast<float>(values.back()));
}

}  // namespace

TEST_CASE("every value and midpoint with its neighbours rounds as defined, in every mode, up to 12 bits") {
  for (const std::string& name : kSmallFormats) {
    const std::vector<double> values = reference::values(parse_float_format(name));
    for (const Rounding rounding : kDeterministic) {
      for (const Overflow overflow : kOverflows) {
        Comparison comparison(name, rounding, overflow);
        check_special_inputs(comparison);
        check_grid(comparison, values, 1);
        CHECK(comparison.first_difference() == "");
      }
    }
  }
}

// All values in native overflow; saturation differs at the top only, and takes every 61st value besides the last 64.
TEST_CASE("every value and midpoint with its neighbours rounds as defined, in every mode, for bf16, fp16, tf32") {
  for (const std::string name : {"bf16", "fp16", "tf32"}) {
    const std::vector<double> values = reference::values(parse_float_format(name));
    for (const Rounding rounding : kDeterministic) {
      for (const Overflow overflow : kOverflows) {
        Comparison comparison(name, rounding, overflow);
        check_special_inputs(comparison);
        check_grid(comparison, values, overflow == Overflow::Native ? 1 : 61);
        CHECK(comparison.first_difference() == "");
      }
    }
  }
}

TEST_CASE("2^20 random inputs per format round as defined") {
  std::vector<std::string> names = kSmallFormats;
  names.insert(names.end(), kWideFormats.begin(), kWideFormats.end());
  for (const std::string& name : names) {
    std::vector<Comparison> comparisons;
    for (const Rounding rounding : kDeterministic) {
      for (const Overflow overflow : kOverflows) comparisons.emplace_back(name, rounding, overflow);
    }
    const FloatFormat format = parse_float_format(name);
    const int lowest = std::max(0, format.emin() + 127 - format.mantissa_bits - 3);
    const int highest = std::min(255, format.emax() + 127 + 2);
    Stream stream{2024};
    for (int i = 0; i < 1 << 20; ++i) {
      std::uint32_t bits = stream.next();
      // Every second input lies near the format's own range.
      const auto field =
          static_cast<std::uint32_t>(lowest + static_cast<int>(bits >> 23 & 0xFF) % (highest - lowest + 1));
      if (i % 2 == 0) bits = (bits & 0x807FFFFFu) | (field << 23);
      comparisons[static_cast<std::size_t>(i / 2) % comparisons.size()].check(float_of(bits));
    }
    for (const Comparison& comparison : comparisons) CHECK(comparison.first_difference() == "");
  }
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

// Minutes per preset; one of them: rounding_tests "[.exhaustive]" -c e4m3
TEST_CASE("all 2^32 inputs round to nearest even as defined", "[.exhaustive]") {
  for (const std::string& name : preset_names()) {
    SECTION(name) {
      Comparison comparison(name, Rounding::NearestEven, Overflow::Native);
      std::uint32_t bits = 0;
      do comparison.check(float_of(bits));
      while (++bits != 0);
      CHECK(comparison.first_difference() == "");
    }
  }
}

}  // namespace precipice::test
