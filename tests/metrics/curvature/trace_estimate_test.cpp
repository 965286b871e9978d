// SPDX-License-Identifier: Apache-2.0
#include "metrics/curvature/trace_estimate.h"

#include <limits>

#include "tests/support/catch.h"
#include "tests/support/known_spectrum.h"

using namespace precipice;
using test::KnownSpectrum;

namespace {

// A few large eigenvalues over a bulk, as Hessians of networks have.
std::vector<double> outliers_over_bulk(std::size_t size) {
  std::vector<double> d;
  for (std::size_t i = 0; i < size; ++i) d.push_back(i < 5 ? 50.0 + 10.0 * static_cast<double>(i) : 0.01 * (i % 7));
  return d;
}

}  // namespace

TEST_CASE("the trace is exact where the sketch spans the space") {
  const KnownSpectrum a({3, -1, 2, 0.5});
  const TraceEstimate estimate = estimate_trace(a, a.size(), 12, 1);
  CHECK(estimate.trace == Approx(4.5).epsilon(1e-5));  // fp32 vectors
  CHECK(estimate.standard_error == 0);
  CHECK(estimate.products == 8);
}

TEST_CASE("the trace lies within its standard error as often as a normal deviate, over many seeds") {
  const KnownSpectrum a(outliers_over_bulk(120));
  int within_one = 0, within_two = 0;
  constexpr int kSeeds = 200;
  for (int seed = 0; seed < kSeeds; ++seed) {
    const TraceEstimate estimate = estimate_trace(a, a.size(), 60, static_cast<std::uint64_t>(seed));
    REQUIRE(estimate.standard_error > 0);
    CHECK(estimate.products == 60);
    const double z = std::abs(estimate.trace - a.trace()) / estimate.standard_error;
    within_one += z <= 1;
    within_two += z <= 2;
  }
  // Student's t with 19 degrees of freedom: 67 % and 94 %. With 200 seeds three binomial deviations are 10 % and 5 %.
  CHECK(within_one > 0.57 * kSeeds);
  CHECK(within_one < 0.77 * kSeeds);
  CHECK(within_two > 0.89 * kSeeds);
}

TEST_CASE("the sketch takes the outliers: its error is far below that of random signs alone") {
  const KnownSpectrum a(outliers_over_bulk(120));
  double squares = 0;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const double error = estimate_trace(a, a.size(), 60, seed).trace - a.trace();
    squares += error * error / 50;
  }
  // Hutchinson's variance with 60 signs is 2 (|A|_F^2 - sum a_ii^2) / 60; a reflection's off-diagonal part of outliers
  // near 70 makes its deviation exceed 1. The bulk left here has a norm of 0.4, so errors of 0.1 are what remains.
  CHECK(std::sqrt(squares) < 0.1);
}

TEST_CASE("a trace of what is not finite is NaN with a reason") {
  const auto broken = [](std::span<const float> v) {
    return FlatVector(v.size(), std::numeric_limits<float>::infinity());
  };
  const TraceEstimate estimate = estimate_trace(broken, 10, 6, 1);
  CHECK(std::isnan(estimate.trace));
  CHECK(std::isnan(estimate.standard_error));
  CHECK_FALSE(estimate.reason.empty());
}
