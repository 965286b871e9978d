// SPDX-License-Identifier: Apache-2.0
// Exponents in integers against the logarithm itself: log2l rounded to binary32, and ldexp.
#include "precision/format/log2_exponent.h"

#include <cmath>

#include "tests/precision/rounding/support.h"
#include "tests/support/catch.h"
#include "tests/support/reference_scaling.h"

namespace precipice::test {
namespace {

// Calls f on positive numbers within `ulps` of every power of two, subnormal ones included.
template <class F>
void near_powers(int ulps, F f) {
  for (int k = -149; k <= 128; ++k) {
    const auto pattern = static_cast<std::int64_t>(k == 128 ? 0x7F800000u : bits_of(std::ldexp(1.0f, k)));
    for (std::int64_t i = pattern - ulps; i <= pattern + ulps; ++i) {
      if (i >= 1 && i < 0x7F800000) f(float_of(static_cast<std::uint32_t>(i)));
    }
  }
}

}  // namespace

TEST_CASE("floor and ceiling of the rounded logarithm are those of log2l rounded to float, within 300 ulp of powers") {
  int floors = 0, ceilings = 0;
  near_powers(300, [&](float v) {
    const double log = reference::log2_of(v);
    floors += floor_of_rounded_log2(v) != static_cast<int>(std::floor(log));
    ceilings += ceil_of_rounded_log2(v) != static_cast<int>(std::ceil(log));
  });
  CHECK(floors == 0);
  CHECK(ceilings == 0);
}

TEST_CASE("floor and ceiling of the rounded logarithm of a million random numbers") {
  Stream stream{3};
  int wrong = 0;
  for (int i = 0; i < 1000000; ++i) {
    const float v = float_of(stream.next() % 0x7F7FFFFFu + 1);
    const double log = reference::log2_of(v);
    wrong += floor_of_rounded_log2(v) != static_cast<int>(std::floor(log));
    wrong += ceil_of_rounded_log2(v) != static_cast<int>(std::ceil(log));
  }
  CHECK(wrong == 0);
}

TEST_CASE("floor of the bf16 logarithm of every positive bf16 number") {
  int wrong = 0;
  for (std::uint32_t code = 1; code < 0x7F80u; ++code) {
    const float v = float_of(code << 16);
    wrong += floor_of_bf16_log2(v) != static_cast<int>(std::floor(reference::log2_of(v, true)));
  }
  CHECK(wrong == 0);
  CHECK(floor_of_bf16_log2(1.9921875f * 4.0f) == 3);  // 1.992 2^2 counts as 2^3, 1.992 2^1 does not as 2^2
  CHECK(floor_of_bf16_log2(1.9921875f * 2.0f) == 1);
}

TEST_CASE("numbers a few ulp below a power of two count as it where the logarithm says so") {
  CHECK(floor_of_rounded_log2(7.9999995f) == 3);
  CHECK(floor_of_rounded_log2(0x1.FFFFFEp1f) == 1);  // n = 0 up to 2^2
  CHECK(floor_of_rounded_log2(0x1.FFFFFEp-1f) == -1);
  CHECK(floor_of_rounded_log2(0x1.FFFFFEp127f) == 128);
  CHECK(exponent_field_of(7.9999995f) == 2);
  const std::uint32_t top = 0x7F800000u;  // 2^128: 44 ulp and no more
  CHECK(floor_of_rounded_log2(float_of(top - 44)) == 128);
  CHECK(floor_of_rounded_log2(float_of(top - 45)) == 127);
}

TEST_CASE("exact exponents and powers of two agree with frexp and ldexp") {
  int wrong = 0;
  near_powers(5, [&](float v) {
    wrong += binade_of(v).floor_log2 != reference::exact_log2(v);
    wrong += exponent_field_of(v) != reference::exponent_field(v);
    wrong += floor_power_of_two(v) != static_cast<float>(std::ldexp(1.0, reference::exact_log2(v)));
  });
  for (int k = -160; k <= 140; ++k) wrong += power_of_two(k) != static_cast<float>(std::ldexp(1.0, k));
  CHECK(wrong == 0);
  CHECK(floor_power_of_two(0.0f) == 0.0f);
  CHECK(exponent_field_of(0.0f) == -127);
}

}  // namespace precipice::test
