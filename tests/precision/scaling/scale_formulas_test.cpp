// SPDX-License-Identifier: Apache-2.0
// Scales against numbers worked out by hand from the cited sources' formulas, and against logarithms in double.
#include "precision/scaling/scale_formulas.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>

#include "tests/support/catch.h"

using namespace precipice;

namespace {
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kMax = std::numeric_limits<float>::max();

float current_scale(float amax, float max_finite, bool power_of_two) {
  return te_current_scale({.amax = amax, .max_finite = max_finite}, power_of_two);
}

float ms_amp(float amax, float previous, int margin = 0) {
  return ms_amp_scale({.amax = amax, .max_finite = 448.0f}, previous, margin);
}
}  // namespace

TEST_CASE("current scale is one fp32 division of the format's maximum by amax") {
  CHECK(current_scale(448.0f, 448.0f, false) == 1.0f);
  CHECK(current_scale(3.0f, 448.0f, false) == 448.0f / 3.0f);
  CHECK(current_scale(1e-30f, 57344.0f, false) == 57344.0f / 1e-30f);
}

TEST_CASE("amax of zero, infinity or NaN gives scale 1 and an overflowing scale the largest number") {
  for (const bool power_of_two : {false, true}) {
    CHECK(current_scale(0.0f, 448.0f, power_of_two) == 1.0f);
    CHECK(current_scale(kInf, 448.0f, power_of_two) == 1.0f);
    CHECK(current_scale(kNan, 448.0f, power_of_two) == 1.0f);
  }
  CHECK(current_scale(1e-38f, 448.0f, false) == kMax);
  CHECK(current_scale(1e-38f, 448.0f, true) == 0x1p127f);
  CHECK(current_scale(0x1p-149f, 448.0f, false) == kMax);
}

TEST_CASE("power-of-two scales are the largest power of two not above the plain scale") {
  for (float amax = 1e-20f; amax < 1e20f; amax *= 1.37f) {
    const float plain = current_scale(amax, 448.0f, false), cut = current_scale(amax, 448.0f, true);
    int exponent = 0;
    CHECK(std::frexp(cut, &exponent) == 0.5f);
    CHECK(cut <= plain);
    CHECK(plain < 2 * cut);
  }
}

TEST_CASE("a tensor scaled by the power-of-two rule never exceeds the format's maximum") {
  for (float amax = 1e-30f; amax < 1e30f; amax *= 1.0137f) CHECK(amax * current_scale(amax, 448.0f, true) <= 448.0f);
}

TEST_CASE("a current scale below the normal numbers is the power of two below it, not zero") {
  // 1 / (1.5 2^127) = 1.33 2^-128.
  CHECK(current_scale(0x1.8p127f, 1.0f, false) == static_cast<float>(1.0 / 0x1.8p127));
  CHECK(current_scale(0x1.8p127f, 1.0f, true) == 0x1p-128f);
  CHECK(te_finite_scale(0x1p-126f, true) == 0x1p-126f);
  CHECK(te_finite_scale(0x1.FFFFFCp-127f, true) == 0x1p-127f);
  CHECK(te_finite_scale(0x1p-149f, true) == 0x1p-149f);
  CHECK(te_finite_scale(0.0f, true) == 0.0f);
}

TEST_CASE("a scale beyond binary32 is its largest number, or 2^127") {
  CHECK(te_finite_scale(kInf, false) == kMax);
  CHECK(te_finite_scale(kInf, true) == 0x1p127f);
}

TEST_CASE("MS-AMP's scale by hand: 2^floor(log2(448 / amax) - margin), its inverse for negative exponents") {
  CHECK(ms_amp(3.0f, 1.0f) == 128.0f);  // 448 / 3 = 149.3
  CHECK(ms_amp(3.0f, 1.0f, 2) == 32.0f);
  CHECK(ms_amp(3.0f, 1.0f, 8) == 0.5f);  // e = -1
  CHECK(ms_amp(448.0f, 8.0f) == 1.0f);
  CHECK(ms_amp(896.0f, 8.0f) == 0.5f);
  CHECK(ms_amp(7.0000005f, 1.0f) == 64.0f);  // 448 / amax lies just below 2^6, its rounded logarithm does not
}

TEST_CASE("MS-AMP's scale at the ends: 0 and NaN keep the previous one, infinity inverts it, tiny amaxes have none") {
  CHECK(ms_amp(0.0f, 8.0f) == 8.0f);
  CHECK(ms_amp(kNan, 8.0f) == 8.0f);
  CHECK(ms_amp(kInf, 8.0f) == 0.125f);  // 448 / inf = 0, e = -inf
  CHECK(ms_amp(0x1p-119f, 8.0f) == 0x1p127f);
  CHECK(ms_amp(0x1p-120f, 8.0f) == kInf);  // fl(2^120 448) is infinite
  CHECK(ms_amp(0x1p-140f, 8.0f) == kInf);
  // fl(1 / largest) = 2^-128: 448 times that has exponent -120, and 2^128 is infinite for a format that ends at 1.
  CHECK(ms_amp(kMax, 8.0f) == 0x1p-120f);
  CHECK(ms_amp_scale({.amax = kMax, .max_finite = 1.0f}, 8.0f) == 0.0f);
}

TEST_CASE("MS-AMP's scale is the floor of a logarithm rounded to fp32, at every power of two") {
  std::size_t compared = 0, wrong = 0;
  const auto compare = [&](float amax, double end) {
    const float ratio = static_cast<float>(static_cast<float>(1.0 / static_cast<double>(amax)) * end);
    const double exponent = std::floor(static_cast<float>(std::log2(static_cast<double>(ratio))));
    if (!(std::abs(exponent) <= 126)) return;
    ++compared;
    wrong += ms_amp_scale({.amax = amax, .max_finite = static_cast<float>(end)}, 1.0f) !=
             static_cast<float>(std::exp2(exponent));
  };
  std::mt19937 random(1);
  for (const double end : {448.0, 57344.0, 65504.0, 1.0}) {
    for (int exponent = -120; exponent < 127; ++exponent) {
      // Inverses just below powers of two come of amaxes just above (end a power of two times) one.
      const float center = static_cast<float>(end * std::exp2(exponent - 16));
      for (int ulps = -120; ulps <= 120; ++ulps)
        compare(std::bit_cast<float>(std::bit_cast<std::uint32_t>(center) + static_cast<std::uint32_t>(ulps)), end);
      for (int i = 0; i < 50; ++i)
        compare(std::ldexp(1.0f + static_cast<float>(random() >> 9) * 0x1p-23f, exponent), end);
    }
  }
  CHECK(wrong == 0);
  CHECK(compared > 200000);
}

TEST_CASE("NVFP4's outer scale takes the largest number to 6 times the largest block scale") {
  CHECK(nvfp4_outer_scale(2688.0f, 448) == 1.0f);
  CHECK(nvfp4_outer_scale(1536.0f, 256) == 1.0f);
  CHECK(nvfp4_outer_scale(1.0f, 448) == static_cast<float>(1.0 / 2688.0));
}
