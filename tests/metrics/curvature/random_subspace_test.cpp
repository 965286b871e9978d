// SPDX-License-Identifier: Apache-2.0
// The pseudo-inverse by what defines it: the rest x - A (A^+ x) is orthogonal to all columns. Products in double of a
// few hundred terms: 1e-12 of their size.
#include "metrics/curvature/random_subspace.h"

#include <cmath>

#include "precision/base/check.h"
#include "tests/support/catch.h"

namespace precipice {
namespace {

std::vector<double> numbers(std::size_t size, std::uint64_t seed) {
  const FlatVector values = random_normal(static_cast<std::int64_t>(size), {seed, 0, 1, 0});
  return {values.begin(), values.end()};
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace

TEST_CASE("the coordinates of a point leave a rest orthogonal to the subspace") {
  for (const auto& [n, p] : {std::pair<std::int64_t, std::int64_t>{200, 7}, {50, 1}, {40, 39}}) {
    const RandomSubspace space(n, p, {3, 0, 2, 0});
    const std::vector<double> x = numbers(static_cast<std::size_t>(n), 5);
    const std::vector<double> u = space.coordinates(x), nearest = space.combination(u);
    std::vector<double> rest = x;
    for (std::size_t i = 0; i < x.size(); ++i) rest[i] -= nearest[i];
    for (const double product : space.products(rest)) CHECK(std::abs(product) < 1e-9);
    // A point of the subspace comes back as it went in.
    const std::vector<double> again = space.coordinates(nearest);
    for (std::size_t j = 0; j < u.size(); ++j) CHECK(again[j] == Approx(u[j]).margin(1e-9));
  }
}

TEST_CASE("products are the adjoint of combinations, whose columns are independent normal deviates") {
  const std::int64_t n = 3000;
  const RandomSubspace space(n, 20, {1, 0, 2, 100});
  const std::vector<double> u = numbers(20, 1), g = numbers(3000, 2);
  CHECK(dot(space.combination(u), g) == Approx(dot(u, space.products(g))).epsilon(1e-12));
  for (std::uint16_t j = 0; j < 20; ++j) {
    std::vector<double> unit(20);
    unit[j] = 1;
    const std::vector<double> column = space.combination(unit);
    const FlatVector drawn = random_normal(n, {1, 0, 2, static_cast<std::uint16_t>(100 + j)});
    CHECK(std::vector<double>(drawn.begin(), drawn.end()) == column);
    // Variance 1 within five standard errors sqrt(2 / n); scalar products of two columns within five of sqrt(n).
    CHECK(dot(column, column) / double(n) == Approx(1).margin(5 * std::sqrt(2.0 / double(n))));
    unit[j] = 0, unit[(j + 1) % 20] = 1;
    CHECK(std::abs(dot(column, space.combination(unit))) < 5 * std::sqrt(double(n)));
  }
}

TEST_CASE("the box has half-widths eps (|x| + 1)") {
  CHECK(box_half_widths(std::vector<double>{0, -3, 1}, 0.5) == std::vector<double>{0.5, 2, 1});
}

TEST_CASE("a subspace is no larger than its space") {
  CHECK_THROWS_AS(RandomSubspace(3, 4, RandomKey{}), ContractError);
  CHECK_THROWS_AS(RandomSubspace(3, 0, RandomKey{}), ContractError);
}

}  // namespace precipice
