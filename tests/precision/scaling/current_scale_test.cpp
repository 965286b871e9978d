// SPDX-License-Identifier: Apache-2.0
#include "precision/scaling/current_scale.h"

#include <cmath>
#include <limits>

#include "tests/support/catch.h"

using namespace precipice;

namespace {
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kMax = std::numeric_limits<float>::max();
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
