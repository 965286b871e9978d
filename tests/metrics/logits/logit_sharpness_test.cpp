// SPDX-License-Identifier: Apache-2.0
// The closed form against the maximum over all corners of the box, by the naive definition in long double: rounding of
// the oracle is 1e-19 of the largest logit. The closed form computes D with an error of a few 1e-16 max(1, |z|), which
// the rise multiplies by at most 1: hence the tolerance in require_near.
#include "metrics/logits/logit_sharpness.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "precision/base/check.h"
#include "tests/support/catch.h"

namespace precipice {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

long double naive_loss(const std::vector<long double>& z, std::size_t target) {
  const long double max = *std::max_element(z.begin(), z.end());
  long double sum = 0;
  for (const long double value : z) sum += std::exp(value - max);
  return max - z[target] + std::log(sum);
}

struct Oracle {
  long double loss, rise;
};

Oracle enumerate_corners(const std::vector<float>& logits, std::size_t target, double epsilon) {
  const std::size_t size = logits.size();
  std::vector<long double> start(logits.begin(), logits.end()), corner(size);
  const long double loss = naive_loss(start, target);
  long double highest = loss;
  for (std::size_t signs = 0; signs < (std::size_t{1} << size); ++signs) {
    for (std::size_t i = 0; i < size; ++i) {
      const long double reach = epsilon * (std::abs(start[i]) + 1);
      corner[i] = start[i] + ((signs >> i & 1) ? reach : -reach);
    }
    highest = std::max(highest, naive_loss(corner, target));
  }
  return {loss, highest - loss};
}

// Loss and rise relative to their size; the absolute part is the error of u and D at these logits, times the
// derivatives of loss and rise by them (at most 1).
void require_near(double value, long double expected, double largest_logit) {
  const long double allowed = 1e-12L * std::abs(expected) + 4e-16L * (1 + largest_logit);
  INFO("value " << value << ", expected " << static_cast<double>(expected));
  REQUIRE(std::abs(value - expected) <= allowed);
}

void compare(const std::vector<float>& logits, std::size_t target, double epsilon) {
  const Oracle oracle = enumerate_corners(logits, target, epsilon);
  const LogitSharpness found = logit_sharpness(logits, static_cast<std::int64_t>(target), epsilon);
  double largest = 0;
  for (const float z : logits) largest = std::max<double>(largest, std::abs(z));
  largest *= 1 + epsilon;
  require_near(found.loss, oracle.loss, largest);
  require_near(found.rise, oracle.rise, largest);
  require_near(found.sharpness, 100 * oracle.rise / (1 + oracle.loss), 200 * largest);
}

std::vector<float> draw(std::mt19937_64& random, std::size_t size, int kind) {
  std::normal_distribution<float> normal(0, 1);
  std::vector<float> z(size);
  for (float& value : z) {
    switch (kind) {
      case 0:
        value = normal(random);
        break;
      case 1:
        value = 10 * normal(random);
        break;
      case 2:
        value = 1e4f * std::tanh(normal(random));
        break;
      case 3:
        value = static_cast<float>(static_cast<int>(random() % 3)) - 1;
        break;  // ties
      case 4:
        value = random() % 2 ? 0.0f : -0.0f;
        break;
      case 5:
        value = 1e-40f * normal(random);
        break;  // subnormal
      default:
        value = std::ldexp(normal(random), static_cast<int>(random() % 40) - 30);
        break;
    }
  }
  return z;
}

}  // namespace

TEST_CASE("the closed form is the maximum over all corners of the box") {
  std::mt19937_64 random(7);
  const double epsilons[] = {1e-4, 5e-4, 1e-3, 1e-2, 0.5};
  for (int round = 0; round < 6000; ++round) {
    const std::size_t size = round % 20 == 0 ? 10 : 2 + random() % 6;
    const std::vector<float> z = draw(random, size, round % 7);
    const auto largest = static_cast<std::size_t>(std::max_element(z.begin(), z.end()) - z.begin());
    const auto smallest = static_cast<std::size_t>(std::min_element(z.begin(), z.end()) - z.begin());
    const std::size_t target = round % 3 == 0 ? largest : round % 3 == 1 ? smallest : random() % size;
    compare(z, target, epsilons[random() % 5]);
  }
}

TEST_CASE("a vocabulary of one token cannot rise") {
  const LogitSharpness found = logit_sharpness(std::vector<float>{3.0f}, 0, 1e-3);
  CHECK(found.loss == 0);
  CHECK(found.rise == 0);
  CHECK(found.sharpness == 0);
}

TEST_CASE("a saturated target keeps its tiny rise instead of losing it to cancellation") {
  // u = -40: loss e^-40, rise = e^-40 (e^D - 1), D = 2 reaches.
  const LogitSharpness found = logit_sharpness(std::vector<float>{40.0f, 0.0f}, 0, 1e-3);
  const long double d = 1e-3L * 41 + 1e-3L;
  CHECK(found.loss == Approx(std::exp(-40.0)).epsilon(1e-12));
  CHECK(found.rise == Approx(static_cast<double>(std::exp(-40.0L) * std::expm1(d))).epsilon(1e-12));
}

TEST_CASE("masked non-targets stay out, NaN, +inf and a masked target give NaN") {
  const LogitSharpness masked = logit_sharpness(std::vector<float>{1, -kInfinity, 2, -kInfinity}, 2, 1e-3);
  const LogitSharpness without = logit_sharpness(std::vector<float>{1, 2}, 1, 1e-3);
  CHECK(masked.loss == without.loss);
  CHECK(masked.rise == without.rise);
  CHECK(logit_sharpness(std::vector<float>{-kInfinity, 2}, 1, 1e-3).rise == 0);
  for (const std::vector<float>& bad :
       {std::vector<float>{1, kNaN, 2}, {kNaN, 1, 2}, {1, kInfinity, 2}, {kInfinity, 1, 2}, {-kInfinity, 1, 2}}) {
    const LogitSharpness found = logit_sharpness(bad, 0, 1e-3);
    CHECK(std::isnan(found.loss));
    CHECK(std::isnan(found.rise));
    CHECK(std::isnan(found.sharpness));
  }
}

TEST_CASE("the batch averages both ways over all tokens and over the last ones, for every epsilon") {
  const std::int64_t batch = 3, context = 4, vocabulary = 5;
  std::mt19937_64 random(8);
  const std::vector<float> logits = draw(random, 60, 1);
  std::vector<std::int64_t> targets(12);
  for (auto& target : targets) target = static_cast<std::int64_t>(random() % 5);
  const double epsilons[] = {1e-3, 0.1};
  const auto found = batch_sharpness(logits, targets, batch, context, vocabulary, epsilons);
  REQUIRE(found.size() == 2);
  for (std::size_t e = 0; e < 2; ++e) {
    double loss[2] = {}, rise[2] = {}, sharpness[2] = {};
    for (std::size_t t = 0; t < 12; ++t) {
      const auto token = logit_sharpness(std::span(logits).subspan(5 * t, 5), targets[t], epsilons[e]);
      for (const int set : {0, 1}) {
        if (set == 1 && t % 4 != 3) continue;
        loss[set] += token.loss, rise[set] += token.rise, sharpness[set] += token.sharpness;
      }
    }
    // Sums of at most 12 doubles in another order.
    CHECK(found[e].all_tokens.mean_of_metrics == Approx(sharpness[0] / 12).epsilon(1e-14));
    CHECK(found[e].all_tokens.metric_of_mean == Approx(100 * (rise[0] / 12) / (1 + loss[0] / 12)).epsilon(1e-14));
    CHECK(found[e].last_token.mean_of_metrics == Approx(sharpness[1] / 3).epsilon(1e-14));
    CHECK(found[e].last_token.metric_of_mean == Approx(100 * (rise[1] / 3) / (1 + loss[1] / 3)).epsilon(1e-14));
  }
}

TEST_CASE("shapes and targets that do not fit are broken contracts") {
  const std::vector<float> logits(6);
  const std::vector<std::int64_t> targets{0, 3};
  const double epsilons[] = {1e-3};
  CHECK_THROWS_AS(batch_sharpness(logits, targets, 1, 2, 3, epsilons), ContractError);
  CHECK_THROWS_AS(batch_sharpness(logits, targets, 1, 3, 3, epsilons), ContractError);
  CHECK_THROWS_AS(logit_statistics(logits, 4), ContractError);
  CHECK_THROWS_AS(logit_sharpness(std::vector<float>{}, 0, 1e-3), ContractError);
}

TEST_CASE("logit statistics equal their definition in long double") {
  std::mt19937_64 random(9);
  for (int round = 0; round < 300; ++round) {
    const std::size_t width = 1 + random() % 50, tokens = 1 + random() % 5;
    const std::vector<float> z = draw(random, width * tokens, round % 7);
    long double log_z = 0;
    float largest = 0;
    for (std::size_t t = 0; t < tokens; ++t) {
      const std::vector<long double> row(z.begin() + t * width, z.begin() + (t + 1) * width);
      log_z += (naive_loss(row, 0) + row[0]) / tokens;
    }
    for (const float value : z) largest = std::max(largest, std::abs(value));
    const LogitStatistics found = logit_statistics(z, static_cast<std::int64_t>(width));
    REQUIRE(found.max_logit == largest);
    // One rounding for each of a few operations on numbers as large as the logits.
    REQUIRE(std::abs(found.log_z - log_z) <= 1e-15L * (4 + 4 * largest));
  }
}

TEST_CASE("logit statistics hide no NaN and no infinity") {
  for (std::size_t at = 0; at < 40; ++at) {
    std::vector<float> z(40, 1.0f);
    z[at] = kNaN;
    REQUIRE(std::isnan(logit_statistics(z, 20).max_logit));
    REQUIRE(std::isnan(logit_statistics(z, 20).log_z));
    z[(at + 1) % 20] = kInfinity;
    REQUIRE(std::isnan(logit_statistics(z, 20).max_logit));
    z[at] = 1;
    REQUIRE(logit_statistics(z, 20).max_logit == kInfinity);
    REQUIRE(logit_statistics(z, 20).log_z == kInfinity);
  }
  const LogitStatistics masked = logit_statistics(std::vector<float>{0, -kInfinity}, 2);
  CHECK(masked.max_logit == kInfinity);
  CHECK(masked.log_z == 0);
}

TEST_CASE("sharpness series are named after their epsilon and stand in the order of their values") {
  const double epsilons[] = {1e-3, 5e-4, 0.5, 1.25e-10};
  const SeriesGroup group = sharpness_group(epsilons);
  CHECK(group.name == "sharpness");
  REQUIRE(group.series.size() == 16);
  CHECK(group.series[0].name == "last_token_eps1e-3");
  CHECK(group.series[1].name == "last_token_mean_loss_eps1e-3");
  CHECK(group.series[2].name == "all_tokens_eps1e-3");
  CHECK(group.series[3].name == "all_tokens_mean_loss_eps1e-3");
  CHECK(group.series[4].name == "last_token_eps5e-4");
  CHECK(group.series[8].name == "last_token_eps5e-1");
  CHECK(group.series[12].name == "last_token_eps1.25e-10");
  const BatchSharpness sharpness[] = {{{1, 2}, {3, 4}}, {{5, 6}, {7, 8}}};
  CHECK(sharpness_values(sharpness) == std::vector<double>{1, 2, 3, 4, 5, 6, 7, 8});
}

}  // namespace precipice
