// SPDX-License-Identifier: Apache-2.0
// zeta and cosine by hand.
#include "metrics/tensors/gradient_error.h"

#include <cmath>
#include <limits>
#include <vector>

#include "tests/support/catch.h"

using namespace precipice;
using Vector = std::vector<float>;

TEST_CASE("equal gradients have zeta 0 and cosine 1 exactly") {
  const Vector g{0.1f, -3e-5f, 7.0f, 1e-20f};
  CHECK(gradient_error(g, g).zeta_norm() == 0);
  CHECK(gradient_error(g, g).cosine() == 1);
}

TEST_CASE("zeta is the squared relative error, and sums over parameters before it is divided") {
  GradientError a = gradient_error(Vector{4, 0}, Vector{3, 0});  // |e|^2 = 1, |g|^2 = 9
  CHECK(a.zeta_norm() == Approx(1.0 / 9).epsilon(1e-15));
  CHECK(a.cosine() == 1);
  a += gradient_error(Vector{0, 4}, Vector{4, 0});  // |e|^2 = 32, |g|^2 = 16
  CHECK(a.zeta_norm() == Approx(33.0 / 25).epsilon(1e-15));
  CHECK(a.cosine() == Approx(12 / (std::sqrt(32.0) * 5)).epsilon(1e-15));
  CHECK(gradient_error(Vector{-2, 0}, Vector{1, 0}).cosine() == -1);
}

TEST_CASE("the bias is the error along the gradient: its sign says whether it came out too long or too short") {
  CHECK(gradient_error(Vector{3, 4}, Vector{3, 4}).bias() == 0);
  CHECK(gradient_error(Vector{6, 8}, Vector{3, 4}).bias() == 1);
  CHECK(gradient_error(Vector{-1, 7}, Vector{3, 4}).bias() == 0);  // across it: zeta is 1, the bias is none
  GradientError a = gradient_error(Vector{2, 0}, Vector{3, 0});    // e . g = -3
  a += gradient_error(Vector{0, 5}, Vector{1, 4});                 // e . g = -1 + 4
  CHECK(a.bias() == 0);
  // One ulp of g.
  const float big = 1 << 30, next = std::nextafter(big, 2.0f * big);
  CHECK(gradient_error(Vector{next}, Vector{big}).bias() == std::ldexp(1.0, -23));
  CHECK(std::isnan(gradient_error(Vector{1}, Vector{0}).bias()));
  CHECK(std::isnan(gradient_error(Vector{std::nanf("")}, Vector{1}).bias()));
}

TEST_CASE("a gradient that is zero or not finite has no zeta and no cosine") {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  for (const Vector& bad : {Vector{nan, 1}, Vector{infinity, 1}}) {
    CHECK(std::isnan(gradient_error(bad, Vector{1, 1}).zeta_norm()));
    CHECK(std::isnan(gradient_error(bad, Vector{1, 1}).cosine()));
    CHECK(std::isnan(gradient_error(Vector{1, 1}, bad).zeta_norm()));
  }
  CHECK(std::isnan(gradient_error(Vector{1, 1}, Vector{0, 0}).zeta_norm()));
  CHECK(std::isnan(gradient_error(Vector{0, 0}, Vector{0, 0}).cosine()));
  CHECK(std::isnan(gradient_error(Vector{0, 0}, Vector{1, 0}).cosine()) == true);
  CHECK(gradient_error(Vector{0, 0}, Vector{1, 0}).zeta_norm() == 1);
}
