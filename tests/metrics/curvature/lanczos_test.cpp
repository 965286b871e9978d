// SPDX-License-Identifier: Apache-2.0
// Vectors are kept in fp32, so what is exact in theory holds to a few 2^-24 of the operator's norm times a small power
// of the number of elements: 1e-5 of the norm is allowed below unless said otherwise.
#include "metrics/curvature/lanczos.h"

#include <algorithm>
#include <limits>

#include "tests/support/catch.h"
#include "tests/support/known_spectrum.h"

using namespace precipice;
using test::KnownSpectrum;

namespace {

FlatVector basis_vector(const Lanczos& process, std::int64_t i) {
  std::vector<double> unit(static_cast<std::size_t>(process.steps()), 0.0);
  unit[static_cast<std::size_t>(i)] = 1;
  return process.combine(unit);
}

std::vector<double> spread(std::size_t size, double lowest, double highest) {
  std::vector<double> values;
  for (std::size_t i = 0; i < size; ++i)
    values.push_back(lowest + (highest - lowest) * static_cast<double>(i) / static_cast<double>(size - 1));
  return values;
}

}  // namespace

TEST_CASE("the Lanczos basis stays orthonormal and makes the operator tridiagonal, long after values converge") {
  std::vector<double> d = spread(200, -1, 1);
  d.back() = 100;  // converges at once: without re-orthogonalisation its copies would fill the basis
  const KnownSpectrum a(d);
  Lanczos process(a, a.size(), {1, 0, 0, 0});
  for (int i = 0; i < 60; ++i) REQUIRE(process.step());
  for (std::int64_t i = 0; i < 60; ++i) {
    const FlatVector vi = basis_vector(process, i), product = a(vi);
    for (std::int64_t j = 0; j < 60; ++j) {
      const FlatVector vj = basis_vector(process, j);
      CHECK(inner_product(vi, vj) == Approx(i == j ? 1 : 0).margin(1e-6));
      const double t = i == j                 ? process.diagonal()[static_cast<std::size_t>(i)]
                       : std::abs(i - j) == 1 ? process.off_diagonal()[static_cast<std::size_t>(std::min(i, j))]
                                              : 0;
      CHECK(inner_product(product, vj) == Approx(t).margin(1e-5 * 100));
    }
  }
}

TEST_CASE("the process goes on beyond invariant subspaces until it spans the space, and then ends") {
  // Two eigenvalues of five dimensions each: any start vector spans two of the ten dimensions.
  const KnownSpectrum a({1, 1, 1, 1, 1, 3, 3, 3, 3, 3});
  Lanczos process(a, a.size(), {2, 0, 0, 0});
  int steps = 0;
  while (process.step()) ++steps;
  CHECK(steps == 10);
  double trace = 0;
  for (const double alpha : process.diagonal()) trace += alpha;
  CHECK(trace == Approx(20).epsilon(1e-5));
}

TEST_CASE("a zero operator and a single dimension are no special cases") {
  Lanczos zero([](std::span<const float> v) { return FlatVector(v.size(), 0.0f); }, 3, {3, 0, 0, 0});
  while (zero.step()) continue;
  CHECK(zero.diagonal() == std::vector<double>{0, 0, 0});
  Lanczos one([](std::span<const float> v) { return FlatVector{-2.5f * v[0]}; }, 1, {3, 0, 0, 0});
  CHECK(one.step());
  CHECK_FALSE(one.step());
  CHECK(one.diagonal()[0] == -2.5);
}

TEST_CASE("a product that is not finite ends the process and is told") {
  Lanczos process(
      [](std::span<const float> v) { return FlatVector(v.size(), std::numeric_limits<float>::quiet_NaN()); }, 4,
      {4, 0, 0, 0});
  CHECK_FALSE(process.step());
  CHECK_FALSE(process.is_finite());
  CHECK(process.steps() == 0);
}
