// SPDX-License-Identifier: Apache-2.0
#include "metrics/curvature/box_ascent.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "metrics/logits/logit_sharpness.h"
#include "tests/support/catch.h"

using namespace precipice;

TEST_CASE("a linear function reaches its corner in one iteration") {
  const FlatVector slope = {2, -1, 0.5f}, x0 = {1, 2, 3}, half = {0.5f, 0.25f, 1};
  const BoxFunction f{[&](std::span<const float> x) { return inner_product(slope, x); },
                      [&](std::span<const float>) { return slope; }};
  const BoxAscent found = ascend_in_box(f, x0, half, 10);
  CHECK(found.start == 1.5);
  CHECK(found.highest - found.start == 2 * 0.5 + 1 * 0.25 + 0.5 * 1);
  CHECK(found.iterations == 1);
}

TEST_CASE("a concave maximum inside the box is approached from below and never passed") {
  // f = -sum (x_i - m_i)^2, m inside the box: the maximum is 0.
  const FlatVector m = {0.3f, -0.2f, 0.1f}, x0 = {0, 0, 0}, half = {1, 1, 1};
  const BoxFunction f{[&](std::span<const float> x) {
                        double sum = 0;
                        for (std::size_t i = 0; i < 3; ++i) sum -= (x[i] - m[i]) * (x[i] - m[i]);
                        return sum;
                      },
                      [&](std::span<const float> x) {
                        FlatVector g(3);
                        for (std::size_t i = 0; i < 3; ++i) g[i] = -2 * (x[i] - m[i]);
                        return g;
                      }};
  double before = f.value(x0);
  for (int iterations = 1; iterations <= 10; ++iterations) {
    const double highest = ascend_in_box(f, x0, half, iterations).highest;
    CHECK(highest >= before);
    CHECK(highest <= 0);
    before = highest;
  }
  CHECK(before > 0.3 * f.value(x0));  // f(x0) = -0.14
}

TEST_CASE("the cross-entropy over a box of logits reaches the closed form, which no ascent can pass") {
  const FlatVector z = {1.5f, -0.5f, 2, 0.25f, -3};
  const double epsilon = 0.05;
  FlatVector half;
  for (const float x : z) half.push_back(static_cast<float>(epsilon * (std::abs(x) + 1)));
  const BoxFunction f{[](std::span<const float> x) { return logit_sharpness(x, 3, 0).loss; },
                      [](std::span<const float> x) {
                        double sum = 0;
                        for (const float v : x) sum += std::exp(double{v});
                        FlatVector g;
                        for (const float v : x) g.push_back(static_cast<float>(std::exp(double{v}) / sum));
                        g[3] -= 1;
                        return g;
                      }};
  const LogitSharpness exact = logit_sharpness(z, 3, epsilon);
  const BoxAscent found = ascend_in_box(f, z, half, 10);
  // The ascent's corner is rounded to fp32: 2^-24 of logits up to 3.
  CHECK(found.highest - found.start == Approx(exact.rise).margin(4e-7));
}

TEST_CASE("a start or a gradient that is not finite gives NaN, a neighbour that is not does not count") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const FlatVector x0 = {0}, half = {1};
  const auto flat = [](std::span<const float>) { return 1.0; };
  const auto bad_start = [](std::span<const float>) { return std::numeric_limits<double>::infinity(); };
  CHECK(std::isnan(ascend_in_box({bad_start, [](auto) { return FlatVector{1}; }}, x0, half, 3).highest));
  CHECK(std::isnan(ascend_in_box({flat, [&](auto) { return FlatVector{nan}; }}, x0, half, 3).highest));
  const auto cliff = [](std::span<const float> x) {
    return x[0] > 0.6 ? std::numeric_limits<double>::infinity() : double{x[0]};
  };
  CHECK(ascend_in_box({cliff, [](auto) { return FlatVector{1}; }}, x0, half, 1).highest == 0.5);
}

TEST_CASE("in a random subspace a linear function reaches the corner that its slopes along the columns point to") {
  const std::int64_t n = 30;
  const RandomKey key{4, 0, 9, 0};
  const RandomSubspace subspace(n, 3, key);
  const FlatVector slope = random_normal(n, {5, 0, 9, 0}), x0 = random_normal(n, {6, 0, 9, 0});
  const BoxFunction f{[&](std::span<const float> x) { return inner_product(slope, x); },
                      [&](std::span<const float>) { return slope; }};
  const double epsilon = 0.01;
  const std::vector<double> coordinates = subspace.coordinates(std::vector<double>(x0.begin(), x0.end()));
  double rise = 0;
  for (std::uint16_t j = 0; j < 3; ++j) {
    const FlatVector column = random_normal(n, {4, 0, 9, j});
    rise += std::abs(inner_product(slope, column)) * epsilon * (std::abs(coordinates[j]) + 1);
  }
  const BoxAscent found = ascend_in_subspace(f, x0, subspace, epsilon, 10);
  CHECK(found.iterations == 1);
  // Points are fp32 numbers near 1: 30 products of a slope near 1 and an error of 1e-7.
  CHECK(found.highest - found.start == Approx(rise).margin(1e-5));
}

TEST_CASE("in a random subspace a convex quadratic rises to the highest of the box's corners") {
  // f = sum a_i x_i^2 / 2: restricted to the subspace, convex, so its maximum over the box is at one of 8 corners.
  const std::int64_t n = 40;
  int reached = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const RandomSubspace subspace(n, 3, {seed, 0, 9, 0});
    const FlatVector x0 = random_normal(n, {seed, 0, 10, 0});
    const auto curvature = [](std::size_t i) { return 1.0 + static_cast<double>(i % 5); };
    const BoxFunction f{[&](std::span<const float> x) {
                          double sum = 0;
                          for (std::size_t i = 0; i < x.size(); ++i)
                            sum += curvature(i) * double{x[i]} * double{x[i]} / 2;
                          return sum;
                        },
                        [&](std::span<const float> x) {
                          FlatVector g(x.size());
                          for (std::size_t i = 0; i < x.size(); ++i) g[i] = static_cast<float>(curvature(i) * x[i]);
                          return g;
                        }};
    const double epsilon = 0.02;
    const std::vector<double> c = subspace.coordinates(std::vector<double>(x0.begin(), x0.end()));
    double highest = 0;
    for (int corner = 0; corner < 8; ++corner) {
      FlatVector x = x0;
      for (std::uint16_t j = 0; j < 3; ++j)
        add_scaled(x, (corner >> j & 1 ? 1 : -1) * epsilon * (std::abs(c[j]) + 1), random_normal(n, {seed, 0, 9, j}));
      highest = std::max(highest, f.value(x));
    }
    const BoxAscent found = ascend_in_subspace(f, x0, subspace, epsilon, 10);
    CHECK(found.highest <= highest + 1e-4);  // points in fp32: 40 terms of size 10 with an error of 1e-7
    CHECK(found.highest > found.start);
    reached += found.highest > highest - 1e-4;
  }
  // The corner that the gradient points to is the highest unless curvature outweighs a small slope.
  CHECK(reached >= 15);
}
