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
