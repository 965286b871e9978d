// SPDX-License-Identifier: Apache-2.0
// Hand-made loss series whose answer follows from the rules by arithmetic.
#include "metrics/divergence/divergence.h"

#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <vector>

#include "precision/base/check.h"
#include "tests/support/catch.h"

namespace precipice {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

using Curve = std::function<double(std::int64_t)>;

DivergenceDetector run(const Curve& loss, std::int64_t steps, const DivergenceConfig& config = {}) {
  DivergenceDetector detector(config);
  for (std::int64_t step = 0; step < steps; ++step) detector.observe(step, loss(step), 1.0);
  return detector;
}

DivergenceConfig short_rule() {
  DivergenceConfig config;
  config.window = 4;
  config.patience = 3;
  return config;
}

}  // namespace

TEST_CASE("a NaN or infinite loss diverges at its step, whatever came before") {
  for (const double bad : {kNaN, kInfinity, -kInfinity}) {
    for (const std::int64_t at : {0, 1, 7, 100}) {
      const auto detector = run([&](std::int64_t step) { return step == at ? bad : 2.0; }, 120);
      CHECK(detector.divergence().step == at);
      CHECK(detector.divergence().reason == "non-finite loss");
      CHECK(detector.loss_spikes() == 1);
      CHECK(detector.loss_mean() == 2.0);
    }
  }
}

TEST_CASE("a run that never learns has not diverged") {
  const auto detector = run([](std::int64_t) { return std::log(256.0); }, 5000);
  CHECK_FALSE(detector.divergence());
  CHECK(detector.divergence().reason.empty());
  CHECK(detector.loss_spikes() == 0);
}

TEST_CASE("noise around a constant has not diverged, also when the first value is the lowest") {
  std::mt19937_64 random(5);
  std::normal_distribution<double> noise(0, 0.2);
  for (int seed = 0; seed < 50; ++seed) {
    const auto detector = run([&](std::int64_t step) { return step == 0 ? 4.5 : 5.5 + noise(random); }, 1000);
    CHECK_FALSE(detector.divergence());
  }
}

TEST_CASE("a loss that falls and then rises diverges at the step that left the margin") {
  // Window 4, minimum 2, threshold 2.5. At 5 from step 50 on, the mean is 2.75 at once.
  const auto detector = run([](std::int64_t step) { return step < 50 ? 2.0 : 5.0; }, 60, short_rule());
  CHECK(detector.divergence().step == 50);
  CHECK(detector.divergence().reason == "loss risen");
  // At 3.2 the means are 2.3, 2.6, ...: step 51 is the first above 2.5.
  CHECK(run([](std::int64_t step) { return step < 50 ? 2.0 : 3.2; }, 60, short_rule()).divergence().step == 51);
}

TEST_CASE("divergence is declared after exactly `patience` steps above the margin") {
  const Curve rise = [](std::int64_t step) { return step < 50 ? 2.0 : 5.0; };
  CHECK_FALSE(run(rise, 52, short_rule()).divergence());
  CHECK(run(rise, 53, short_rule()).divergence());
}

TEST_CASE("a rise that recovers before patience is no divergence, and starts the count anew") {
  const Curve one_spike = [](std::int64_t step) { return step == 50 ? 3.9 : 2.0; };  // means 2.475 <= 2.5
  CHECK_FALSE(run(one_spike, 200, short_rule()).divergence());
  DivergenceConfig patient = short_rule();
  patient.patience = 5;
  const Curve high_spike = [](std::int64_t step) { return step % 10 == 9 ? 9.0 : 2.0; };  // above for 4 steps each
  CHECK_FALSE(run(high_spike, 1000, patient).divergence());
  patient.patience = 4;
  CHECK(run(high_spike, 1000, patient).divergence().step == 9);
}

TEST_CASE("the relative margin takes over where the minimum is large") {
  const auto level = [](double high) { return [high](std::int64_t step) { return step < 50 ? 10.0 : high; }; };
  CHECK_FALSE(run(level(10.99), 200, short_rule()).divergence());
  CHECK(run(level(11.01), 200, short_rule()).divergence());
}

TEST_CASE("a slow drift upwards diverges when the trailing mean has left the margin") {
  // Loss 2 + 0.01 (t - 100) from step 100: the mean of 20 is 2 + 0.01 (t - 109.5), above 2.5 first at t = 160.
  const auto detector = run([](std::int64_t step) { return 2.0 + 0.01 * std::max<std::int64_t>(0, step - 100); }, 400);
  CHECK(detector.divergence().step == 160);
}

TEST_CASE("a plateau reached by falling has not diverged") {
  CHECK_FALSE(run([](std::int64_t step) { return 2.0 + 3.5 * std::exp(-0.01 * step); }, 5000).divergence());
}

TEST_CASE("a run that jumps within its first steps has diverged, though no window was ever full before") {
  const auto detector = run([](std::int64_t step) { return step < 5 ? 5.5 : 12.0; }, 200);
  CHECK(detector.divergence().reason == "loss risen");
  CHECK(detector.divergence().step == 5);  // mean (5 * 5.5 + 12) / 6 = 6.58 > 6.05
}

TEST_CASE("means of less than a quarter of the window are no yardstick") {
  // The first four values are low, but the first mean that counts is (4 * 1 + 6) / 5 = 2.
  const auto detector = run([](std::int64_t step) { return step < 4 ? 1.0 : step == 4 ? 6.0 : 2.45; }, 500);
  CHECK_FALSE(detector.divergence());
}

TEST_CASE("series shorter than any window give no verdict and a mean of what there is") {
  DivergenceDetector detector({});
  CHECK(std::isnan(detector.loss_mean()));
  detector.observe(0, 3.0, 1.0);
  detector.observe(1, 5.0, 1.0);
  CHECK(detector.loss_mean() == 4.0);
  CHECK_FALSE(detector.divergence());
}

TEST_CASE("the first divergence stays, spikes are still counted") {
  DivergenceDetector detector(short_rule());
  for (std::int64_t step = 0; step < 100; ++step)
    detector.observe(step, step < 50 ? 2.0 : step < 70 ? 5.0 : kNaN, step == 99 ? kInfinity : 1.0);
  CHECK(detector.divergence().step == 50);
  CHECK(detector.divergence().reason == "loss risen");
  CHECK(detector.loss_spikes() == 30);
  CHECK(detector.grad_spikes() == 1);
}

TEST_CASE("a detector fed with a journal's rows again is in the state of an uninterrupted one") {
  std::mt19937_64 random(6);
  std::normal_distribution<double> noise(0, 0.3);
  std::vector<double> losses;
  for (int step = 0; step < 600; ++step)
    losses.push_back(2.0 + noise(random) + (step > 300 ? 0.004 * (step - 300) : 0));
  losses[250] = 9;
  const auto fed_to = [&](std::size_t end) {
    DivergenceDetector detector({});
    for (std::size_t step = 0; step < end; ++step) detector.observe(step, losses[step], losses[step] * losses[step]);
    return detector;
  };
  const DivergenceDetector straight = fed_to(600);
  REQUIRE(straight.divergence());
  REQUIRE(straight.loss_spikes() > 0);
  for (const std::size_t cut : {1, 19, 255, 480, 599}) {
    DivergenceDetector resumed = fed_to(cut);
    for (std::size_t step = cut; step < 600; ++step) resumed.observe(step, losses[step], losses[step] * losses[step]);
    CHECK(resumed.divergence().step == straight.divergence().step);
    CHECK(resumed.loss_mean() == straight.loss_mean());
    CHECK(resumed.loss_spikes() == straight.loss_spikes());
    CHECK(resumed.grad_spikes() == straight.grad_spikes());
  }
}

TEST_CASE("a spike is a value more than sigma population deviations above the window before it") {
  // Window 0, 2, 0, 2: mean 1, deviation 1; sigma 3 puts the limit at 4.
  const auto observe = [](double value) {
    SpikeCounter counter(4, 3.0);
    for (const double v : {0.0, 2.0, 0.0, 2.0}) REQUIRE_FALSE(counter.observe(v));
    return counter.observe(value);
  };
  CHECK_FALSE(observe(4.0));
  CHECK(observe(4.0001));
  CHECK_FALSE(observe(-100.0));  // one-sided
  CHECK(observe(kNaN));
  CHECK(observe(kInfinity));
}

TEST_CASE("no finite value is a spike before the window is full or while it has no spread") {
  SpikeCounter filling(4, 3.0);
  for (const double v : {0.0, 2.0, 1000.0}) CHECK_FALSE(filling.observe(v));
  SpikeCounter constant(4, 3.0);
  for (const double v : {1.0, 1.0, 1.0, 1.0, 1000.0}) CHECK_FALSE(constant.observe(v));
}

TEST_CASE("a jump to a new level counts at most four spikes at 128 values and 6 sigma") {
  // With a share p of the window at the new level: (1 - p) > 36 p, so p < 1/37: 0, 1, 2 or 3 of 128 values.
  SpikeCounter counter(128, 6.0);
  for (int i = 0; i < 128; ++i) counter.observe(i % 2 ? 1.001 : 0.999);
  for (int i = 0; i < 1000; ++i) counter.observe(i % 2 ? 50.001 : 49.999);
  CHECK(counter.count() == 4);
}

TEST_CASE("non-finite values do not enter the spike window") {
  SpikeCounter counter(4, 3.0);
  for (const double v : {0.0, kNaN, 2.0, kInfinity, 0.0, 2.0}) counter.observe(v);
  CHECK(counter.count() == 2);
  CHECK(counter.observe(4.5));
}

TEST_CASE("impossible constants and steps that go back are broken contracts") {
  DivergenceConfig config;
  config.window = 0;
  CHECK_THROWS_AS(DivergenceDetector(config), ContractError);
  config = {};
  config.spike_window = 0;
  CHECK_THROWS_AS(DivergenceDetector(config), ContractError);
  DivergenceDetector detector({});
  detector.observe(3, 1.0, 1.0);
  CHECK_THROWS_AS(detector.observe(3, 1.0, 1.0), ContractError);
}

}  // namespace precipice
