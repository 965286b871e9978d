// SPDX-License-Identifier: Apache-2.0
// Long rows, which take the vectorised sums, against the definition at the known corner in long double.
#include "metrics/logits/logit_sums.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "metrics/logits/logit_sharpness.h"
#include "tests/support/catch.h"

using namespace precipice;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

long double loss_of(const std::vector<long double>& z, std::size_t target) {
  const long double max = *std::max_element(z.begin(), z.end());
  long double sum = 0;
  for (const long double value : z) sum += std::exp(value - max);
  return max - z[target] + std::log(sum);
}

void compare(const std::vector<float>& logits, std::size_t target, double epsilon) {
  std::vector<long double> start(logits.begin(), logits.end()), corner(start);
  long double largest = 0;
  for (std::size_t i = 0; i < start.size(); ++i) {
    if (std::isinf(start[i])) continue;
    corner[i] += (i == target ? -1 : 1) * epsilon * (std::abs(start[i]) + 1);
    largest = std::max(largest, std::abs(start[i]));
  }
  const long double loss = loss_of(start, target), rise = loss_of(corner, target) - loss;
  const LogitSharpness found = logit_sharpness(logits, static_cast<std::int64_t>(target), epsilon);
  INFO(logits.size() << " logits, target " << target << ", eps " << epsilon);
  // As for short rows; the oracle's own rise is a difference of losses with an error of 1e-19 of the largest logit.
  const auto near = [&](double value, long double expected) {
    return std::abs(value - expected) <= 1e-12L * std::abs(expected) + 4e-16L * (1 + largest);
  };
  CHECK(near(found.loss, loss));
  CHECK(near(found.rise, rise));
}

std::vector<float> normal(std::size_t size, float deviation, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> draw(0, deviation);
  std::vector<float> x(size);
  for (float& value : x) value = draw(random);
  return x;
}

}  // namespace

TEST_CASE("long rows have the sharpness of the definition, whatever their length and target") {
  for (const std::size_t size : {64u, 65u, 128u, 143u, 256u, 1000u, 50257u})
    for (const float deviation : {0.1f, 1.0f, 10.0f}) {
      const std::vector<float> logits = normal(size, deviation, static_cast<unsigned>(size));
      const auto first = logits.begin();
      const auto highest = static_cast<std::size_t>(std::max_element(first, logits.end()) - first);
      const auto lowest = static_cast<std::size_t>(std::min_element(first, logits.end()) - first);
      for (const std::size_t target : {std::size_t{0}, size - 1, highest, lowest})
        for (const double epsilon : {1e-3, 5e-4, 1e-9}) compare(logits, target, epsilon);
    }
}

TEST_CASE("a target far above all others keeps its digits") {
  std::vector<float> logits = normal(300, 1, 3);
  logits[200] = 40;
  compare(logits, 200, 1e-3);
  const double d = logit_sharpness(logits, 200, 1e-3).rise;
  CHECK(d > 0);
  CHECK(d < 1e-12);
}

TEST_CASE("boxes just narrow and just too wide for one pass agree with the definition") {
  const std::vector<float> logits = normal(500, 5, 9);
  double largest = 0;
  for (const float z : logits) largest = std::max<double>(largest, std::abs(z));
  for (const double factor : {0.999, 1.001, 20.0}) compare(logits, 17, factor * kMaxBox / (largest + 1));
}

TEST_CASE("masked logits of a long row stay out, NaN and infinity spoil it") {
  std::vector<float> logits = normal(400, 2, 4);
  for (std::size_t i = 0; i < 400; i += 3) logits[i] = -kInfinity;
  compare(logits, 100, 1e-3);
  CHECK(std::isnan(logit_sharpness(logits, 99, 1e-3).rise));  // a masked target
  std::vector<float> only(400, -kInfinity);
  only[7] = 1;
  CHECK(logit_sharpness(only, 7, 1e-3).rise == 0);
  CHECK(logit_sharpness(only, 7, 1e-3).loss == 0);
  for (const float bad : {kInfinity, std::numeric_limits<float>::quiet_NaN()}) {
    logits[350] = bad;
    CHECK(std::isnan(logit_sharpness(logits, 100, 1e-3).loss));
  }
}

TEST_CASE("the exponentials of the sums are good to 4e-16 over their whole range") {
  for (int i = 0; i <= 7000; ++i) {
    const float z = static_cast<float>(-0.1 * i - 0.0137 * (i % 7));
    double base = 0;
    add_logit_sums(std::vector<float>{z}, 0.0, {}, base, {});
    const long double expected = std::exp(static_cast<long double>(z));
    INFO(z);
    if (z < -700)
      CHECK(base == 0);
    else
      CHECK(std::abs(base - expected) <= 4.5e-16L * expected);
  }
}
