// SPDX-License-Identifier: Apache-2.0
// What L-BFGS finds against the closed form, against the corners of a subspace's box in long double, and what it costs.
#include "metrics/logits/logit_ascent.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <random>

#include "precision/base/check.h"
#include "tests/support/catch.h"

namespace precipice {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

std::vector<float> draw(std::mt19937_64& random, std::size_t size, int kind) {
  std::normal_distribution<float> normal(0, 1);
  std::vector<float> z(size);
  for (float& value : z) {
    if (kind == 0) value = normal(random);
    if (kind == 1) value = 10 * normal(random);
    if (kind == 2) value = 1e4f * std::tanh(normal(random));
    if (kind == 3) value = static_cast<float>(static_cast<int>(random() % 3)) - 1;  // ties
    if (kind == 4) value = 1e-40f * normal(random);                                 // subnormal
    if (kind == 5) value = std::ldexp(normal(random), static_cast<int>(random() % 40) - 30);
  }
  return z;
}

long double naive_loss(const std::vector<long double>& z, std::size_t target) {
  const long double max = *std::max_element(z.begin(), z.end());
  long double sum = 0;
  for (const long double value : z) sum += std::exp(value - max);
  return max - z[target] + std::log(sum);
}

}  // namespace

TEST_CASE("L-BFGS never finds more than the closed form, and something wherever the loss can move") {
  std::mt19937_64 random(11);
  const double epsilons[] = {1e-4, 5e-4, 1e-3, 1e-2, 0.5};
  for (int round = 0; round < 6000; ++round) {
    const std::vector<float> z = draw(random, 2 + random() % 40, round % 6);
    const auto target = static_cast<std::int64_t>(random() % z.size());
    const double epsilon = epsilons[random() % 5];
    const LogitSharpness exact = logit_sharpness(z, target, epsilon);
    const LogitAscent ascent = ascend_logits(z, target, epsilon);
    double largest = 0;
    for (const float value : z) largest = std::max<double>(largest, std::abs(value));
    INFO("round " << round << ", target " << target << " of " << z.size() << ", eps " << epsilon);
    REQUIRE(ascent.evaluations >= 1);
    REQUIRE(ascent.evaluations <= 1 + kAscentIterations);
    REQUIRE(ascent.found.loss == Approx(exact.loss).epsilon(1e-12).margin(1e-15 * (1 + largest)));
    // Both know the change D of u with an error of a few 1e-16 max(1, |z|), which the rise multiplies by at most 1.
    const double rounding = 1e-12 * exact.rise + 4e-15 * (1 + largest);
    REQUIRE(ascent.found.rise >= 0);
    REQUIRE(ascent.found.rise <= exact.rise + rounding);
    // A slope of 1e-3 and more is no saturated target.
    if (exact.loss > 1e-3) REQUIRE(ascent.found.rise > 0);
  }
}

TEST_CASE("given time, L-BFGS reaches the closed form") {
  std::mt19937_64 random(12);
  for (int round = 0; round < 100; ++round) {
    const std::vector<float> z = draw(random, 2 + random() % 6, 0);
    const auto target = static_cast<std::int64_t>(random() % z.size());
    const double exact = logit_sharpness(z, target, 1e-2).sharpness;
    // Its line search gives up when a step gains less than about 1e-6 of the value.
    CHECK(ascend_logits(z, target, 1e-2, nullptr, 2000).found.sharpness == Approx(exact).epsilon(1e-3));
  }
}

TEST_CASE("ten iterations find half to nearly all of it at the vocabularies of language models") {
  std::mt19937_64 random(13);
  for (const std::size_t size : {32000, 50257}) {
    std::normal_distribution<float> normal(0, 1);
    std::vector<float> z(size);
    for (float& value : z) value = normal(random);
    const double fraction = ascend_logits(z, 5, 1e-3).found.rise / logit_sharpness(z, 5, 1e-3).rise;
    // SciPy's L-BFGS-B finds 60 to 85 % of such rows; another line search, another part.
    CHECK(fraction > 0.4);
    CHECK(fraction < 0.95);
  }
}

TEST_CASE("in a subspace the maximum is at a corner of the box of coordinates, and L-BFGS finds it from below") {
  std::mt19937_64 random(14);
  for (int round = 0; round < 200; ++round) {
    const std::size_t size = 4 + random() % 8;
    const std::vector<float> z = draw(random, size, round % 2);
    const auto target = random() % size;
    const RandomSubspace space = logit_subspace(static_cast<std::int64_t>(size), 2, static_cast<std::uint64_t>(round));
    // Two columns, A^+ z by Cramer's rule.
    const std::vector<double> first = space.combination(std::vector<double>{1, 0}),
                              second = space.combination(std::vector<double>{0, 1});
    long double aa = 0, ab = 0, bb = 0, az = 0, bz = 0;
    for (std::size_t i = 0; i < size; ++i) {
      const long double a = first[i], b = second[i];
      aa += a * a, ab += a * b, bb += b * b, az += a * z[i], bz += b * z[i];
    }
    const long double det = aa * bb - ab * ab, epsilon = 1e-2;
    const long double reach[] = {epsilon * (std::abs((bb * az - ab * bz) / det) + 1),
                                 epsilon * (std::abs((aa * bz - ab * az) / det) + 1)};
    const std::vector<long double> start(z.begin(), z.end());
    long double highest = naive_loss(start, target);
    for (int corner = 0; corner < 4; ++corner) {
      std::vector<long double> moved = start;
      for (std::size_t i = 0; i < size; ++i)
        moved[i] += (corner & 1 ? 1 : -1) * reach[0] * first[i] + (corner & 2 ? 1 : -1) * reach[1] * second[i];
      highest = std::max(highest, naive_loss(moved, target));
    }
    const double rise = static_cast<double>(highest - naive_loss(start, target));
    const LogitAscent found = ascend_logits(z, static_cast<std::int64_t>(target), 1e-2, &space, 500);
    // Rounding of the coordinates: 1e-12 where the columns are far from parallel.
    CHECK(found.found.rise <= rise * (1 + 1e-9) + 1e-13);
    // The loss is convex: an ascent may end at another corner than the highest, but it climbs from the centre.
    CHECK(found.found.rise >= 0.2 * rise);
  }
}

TEST_CASE("undefined and immovable logits are those of the closed form") {
  for (const std::vector<float>& bad : {std::vector<float>{1, kNaN, 2}, {1, kInfinity, 2}, {-kInfinity, 1, 2}}) {
    const LogitAscent found = ascend_logits(bad, 0, 1e-3);
    CHECK(std::isnan(found.found.rise));
    CHECK(std::isnan(found.found.loss));
    CHECK(found.evaluations == 0);
  }
  CHECK(ascend_logits(std::vector<float>{3}, 0, 1e-3).found.sharpness == 0);
  CHECK(ascend_logits(std::vector<float>{3, -kInfinity}, 0, 1e-3).found.sharpness == 0);
  CHECK(ascend_logits(std::vector<float>{3, 1}, 0, 0.0).found.sharpness == 0);
  const double with = ascend_logits(std::vector<float>{1, -kInfinity, 2, -kInfinity}, 2, 1e-3).found.rise;
  const double without = ascend_logits(std::vector<float>{1, 2}, 1, 1e-3).found.rise;
  CHECK(with == Approx(without).epsilon(1e-6));
}

TEST_CASE("a batch averages over last tokens, beside the exact values of the same ones") {
  std::mt19937_64 random(15);
  const std::vector<float> logits = draw(random, 60, 0);
  std::vector<std::int64_t> targets(12);
  for (auto& target : targets) target = static_cast<std::int64_t>(random() % 5);
  const double epsilons[] = {1e-3, 0.1};
  const auto exact = batch_sharpness(logits, targets, 3, 4, 5, epsilons);
  const auto found = last_token_ascent(logits, targets, 3, 4, 5, epsilons, nullptr);
  REQUIRE(found.size() == 2);
  for (std::size_t e = 0; e < 2; ++e) {
    double loss = 0, rise = 0, sharpness = 0, evaluations = 0;
    for (const std::size_t t : {3, 7, 11}) {
      const LogitAscent token =
          ascend_logits(std::span<const float>(logits).subspan(5 * t, 5), targets[t], epsilons[e]);
      loss += token.found.loss, rise += token.found.rise, sharpness += token.found.sharpness;
      evaluations += token.evaluations;
    }
    CHECK(found[e].found.mean_of_metrics == Approx(sharpness / 3).epsilon(1e-14));
    CHECK(found[e].found.metric_of_mean == Approx(100 * (rise / 3) / (1 + loss / 3)).epsilon(1e-14));
    CHECK(found[e].evaluations == Approx(evaluations / 3));
    CHECK(found[e].exact.mean_of_metrics == Approx(exact[e].last_token.mean_of_metrics).epsilon(1e-14));
    CHECK(found[e].exact.metric_of_mean == Approx(exact[e].last_token.metric_of_mean).epsilon(1e-14));
    CHECK(found[e].fraction == found[e].found.mean_of_metrics / found[e].exact.mean_of_metrics);
    CHECK(found[e].fraction > 0);
    CHECK(found[e].fraction <= 1 + 1e-12);  // rounding of two ways to compute it
  }
  const RandomSubspace space = logit_subspace(5, 3);
  CHECK(std::isnan(last_token_ascent(logits, targets, 3, 4, 5, epsilons, &space)[0].fraction));

  const SeriesGroup group = ascent_group(epsilons, 0);
  CHECK(group.name == "lbfgs");
  REQUIRE(group.series.size() == ascent_values(found).size());
  const char* names[] = {"last_token_eps1e-3", "last_token_mean_loss_eps1e-3", "exact_last_token_eps1e-3",
                         "fraction_eps1e-3",   "evaluations_eps1e-3",          "last_token_eps1e-1"};
  for (std::size_t i = 0; i < std::size(names); ++i) CHECK(group.series[i].name == names[i]);
  const std::vector<double> values = ascent_values(found);
  CHECK(values[2] == found[0].exact.mean_of_metrics);
  CHECK(values[3] == found[0].fraction);
  CHECK(values[5] == found[1].found.mean_of_metrics);
}

TEST_CASE("the closed form is at least 100 times faster than L-BFGS at the vocabulary of GPT-2", "[.slow]") {
  std::mt19937_64 random(16);
  const auto seconds = [](auto&& work) {
    double least = 1e9;
    for (int repeat = 0; repeat < 5; ++repeat) {
      const auto start = std::chrono::steady_clock::now();
      work();
      least = std::min(least, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    return least;
  };
  // A batch of last tokens at the default epsilons, which share a pass of the closed form.
  const double epsilons[] = {1e-3, 5e-4};
  for (const std::int64_t width : {256, 50257}) {
    const std::int64_t rows = width == 256 ? 400 : 4;
    const std::vector<float> logits = draw(random, static_cast<std::size_t>(rows * width), 0);
    const std::vector<std::int64_t> targets(static_cast<std::size_t>(rows), 3);
    double sum = 0;
    const double exact = seconds(
        [&] { sum += batch_sharpness(logits, targets, rows, 1, width, epsilons)[0].last_token.mean_of_metrics; });
    const double both = seconds(
        [&] { sum -= last_token_ascent(logits, targets, rows, 1, width, epsilons, nullptr)[0].found.mean_of_metrics; });
    const double found = both - exact;  // the ascent computes the exact values too
    WARN("vocabulary " << width << ": exact " << 1e6 * exact / double(rows) << " us, L-BFGS "
                       << 1e6 * found / double(rows) << " us a token: " << found / exact << " times");
    CHECK(sum > 0);
    // What a row costs beside its logits weighs at 256: 95 times were measured there.
    CHECK(found / exact > (width == 256 ? 50 : 100));
  }
}

}  // namespace precipice
