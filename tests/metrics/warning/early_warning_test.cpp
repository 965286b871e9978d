// SPDX-License-Identifier: Apache-2.0
// Early warning: planted signals, noise, and counts that can be made by hand.
#include "metrics/warning/early_warning.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "metrics/warning/signals.h"
#include "tests/support/catch.h"

namespace precipice {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

SignalSeries series(std::vector<double> values, std::int64_t every = 1) {
  SignalSeries result;
  for (std::size_t i = 0; i < values.size(); ++i) result.steps.push_back(static_cast<std::int64_t>(i) * every);
  result.values = std::move(values);
  return result;
}

WarnRun fallen(std::int64_t at, int half = 0) {
  return {true, true, at, 0, at, half, 0};
}
WarnRun survivor(std::int64_t last, int half = 0) {
  return {false, true, 0, 0, last, half, 0};
}

}  // namespace

TEST_CASE("the value at a step is the last finite one before it") {
  const SignalSeries sparse = series({1, kNan, 3}, 10);
  CHECK(std::isnan(value_at(sparse, -1)));
  CHECK(value_at(sparse, 0) == 1);
  CHECK(value_at(sparse, 19) == 1);
  CHECK(value_at(sparse, 20) == 3);
  CHECK(value_at(sparse, 1000) == 3);
}

TEST_CASE("case and control are compared at the case's step minus the horizon") {
  // A trend that both follow is no warning: at equal steps the case is not above.
  const std::vector<WarnRun> runs{fallen(8), survivor(20)};
  const std::vector<SignalSeries> trend{series({0, 1, 2, 3, 4, 5, 6, 7, 8}),
                                        series(std::vector<double>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10})};
  CHECK(pairs_at_horizon(runs, trend, 3).psi == std::vector<double>{0.5});
  const std::vector<SignalSeries> higher{series({0, 1, 2, 3, 4, 9, 6, 7, 8}), trend[1]};
  CHECK(pairs_at_horizon(runs, higher, 3).psi == std::vector<double>{1});  // step 5
  CHECK(pairs_at_horizon(runs, higher, 2).psi == std::vector<double>{0.5});
  CHECK(std::isnan(pairs_at_horizon(runs, higher, 9).psi[0]));  // before the run began
}

TEST_CASE("a control counts only where it is known not to diverge, and only in its own stratum") {
  std::vector<WarnRun> runs{fallen(8), survivor(20), survivor(7), survivor(20)};
  runs[3].stratum = 1;
  const std::vector<SignalSeries> signal(4, series(std::vector<double>(21, 1.0)));
  const PairTable pairs = pairs_at_horizon(runs, signal, 2);
  CHECK(pairs.psi[0] == 0.5);
  CHECK(std::isnan(pairs.psi[1]));  // ended before the case diverged
  CHECK(std::isnan(pairs.psi[2]));
  CHECK(comparable(pairs).cases == 1);
  CHECK(comparable(pairs).controls == 1);
}

TEST_CASE("a threshold lets at most 5 percent of the controls alarm") {
  std::vector<double> peaks;
  for (int i = 1; i <= 19; ++i) peaks.push_back(i);
  CHECK(alarm_threshold(peaks) == 19);  // none of 19
  peaks.push_back(20);
  CHECK(alarm_threshold(peaks) == 19);  // one of 20
  peaks.push_back(kNan);                // a run without the signal is no control
  CHECK(alarm_threshold(peaks) == 19);
  CHECK(alarm_threshold({7, 7, 7}) == 7);
  CHECK(std::isnan(alarm_threshold({})));
}

TEST_CASE("alarms are counted by run, on the half that did not choose the threshold") {
  // Half 0's only control peaks at 5, half 1's at 3.
  const std::vector<WarnRun> runs{survivor(9, 0), survivor(9, 1), fallen(9, 0), fallen(9, 1)};
  const std::vector<SignalSeries> signal{series({0, 5, 0, 0, 0, 0, 0, 0, 0, 0}), series({0, 0, 3, 0, 0, 0, 0, 0, 0, 0}),
                                         series({0, 0, 0, 4, 0, 6, 0, 0, 0, 9}),
                                         series({0, 0, 0, 0, 0, 5, 0, 0, 0, 9})};
  const AlarmTrial trial = try_alarms(runs, signal);
  CHECK(trial.thresholds[0] == 5);
  CHECK(trial.thresholds[1] == 3);
  // Control 0 passes half 1's threshold of 3, control 1 does not pass 5.
  CHECK(trial.false_alarms.events == 1);
  CHECK(trial.false_alarms.trials == 2);
  // Case 2 passes 3 at step 3: 6 steps ahead. Case 3 reaches 5 and passes it only when it diverges: too late.
  CHECK(trial.detected.events == 1);
  CHECK(trial.detected.trials == 2);
  CHECK(trial.leads == std::vector<double>{6});
}

TEST_CASE("values before the first counted step and an infinity are what they are: none, and an alarm") {
  WarnRun run = fallen(9);
  run.first_step = 3;
  CHECK(first_alarm(run, series({9, 9, 9, 1, 1}), 5, 9) == -1);
  CHECK(first_alarm(run, series({0, 0, 0, 0, kInfinity}), 5, 9) == 4);
  CHECK(first_alarm(run, series({kNan, kNan, kNan, kNan}), 5, 9) == -1);
}

TEST_CASE("without cases, without controls or without a signal there are no numbers, and no crash") {
  const std::vector<SignalSeries> none(2);
  for (const auto& runs :
       {std::vector<WarnRun>{fallen(5), fallen(6)}, {survivor(5), survivor(6)}, {fallen(5), survivor(9)}}) {
    const PairTable pairs = pairs_at_horizon(runs, none, 1);
    CHECK(std::isnan(auc_of_pairs(pairs).value));
    CHECK(comparable(pairs).cases == 0);
    CHECK(std::isnan(average_precision_at_horizon(runs, none, 1)));
    CHECK(try_alarms(runs, none).leads.empty());
  }
}

TEST_CASE("average precision at a horizon is that of the scores where all are compared at one step") {
  const std::vector<WarnRun> runs{fallen(5), fallen(5), survivor(9), survivor(9)};
  const std::vector<SignalSeries> signal{series({0, 0, 0, 2, 9}), series({0, 0, 0, 1, 9}), series({9, 9, 9, 1.5}),
                                         series({9, 9, 9, 0})};
  CHECK(average_precision_at_horizon(runs, signal, 2) == Approx((1 + 2.0 / 3) / 2));
}

TEST_CASE("noise is decided in no more than about 5 percent of sweeps, random walks and unequal sizes included") {
  std::mt19937_64 random(21);
  std::normal_distribution<double> normal;
  constexpr int kSweeps = 1500;
  for (const auto& [m, n, walk] : {std::tuple{5, 19, false}, {8, 16, true}, {20, 20, true}}) {
    int called = 0;
    for (int sweep = 0; sweep < kSweeps; ++sweep) {
      std::vector<WarnRun> runs;
      std::vector<SignalSeries> signal;
      for (int r = 0; r < m + n; ++r) {
        std::vector<double> values;
        for (int t = 0; t < 40; ++t) values.push_back(normal(random) + (walk && t > 0 ? values.back() : 0));
        runs.push_back(r < m ? fallen(20 + static_cast<std::int64_t>(random() % 20)) : survivor(39));
        signal.push_back(series(std::move(values)));
      }
      called += auc_p_value(auc_of_pairs(pairs_at_horizon(runs, signal, 10)), true) < 0.05;
    }
    INFO(m << " cases, " << n << " controls: " << called << " of " << kSweeps);
    // 5 % of 1500 is 75, five standard deviations of that are 42.
    CHECK(called < 117);
    CHECK(called > 0);
  }
}

TEST_CASE("signals are found by the patterns of the table, and what no run has is named") {
  const SignalChoice choice = choose_signals({{"metrics", {"train_loss", "grad_norm", "learning_rate"}},
                                              {"sharpness", {"last_token_mean_loss_eps1e-3"}},
                                              {"attention", {"max_attention_logit", "attention_entropy"}},
                                              {"activations", {"x_kurtosis"}},
                                              {"heads", {"q_spectral_norm"}}});
  std::vector<std::string> names;
  for (const Signal& signal : choice.signals) names.push_back(signal.name);
  CHECK(names == std::vector<std::string>{"train loss", "loss variance", "gradient norm", "gradient norm variance",
                                          "logit sharpness, last tokens, of the mean loss, eps 1e-3",
                                          "max attention logit", "attention entropy", "kurtosis of x",
                                          "spectral norm of q"});
  for (const char* name : {"logit sharpness by L-BFGS", "saturation of x"})
    CHECK(std::find(choice.absent.begin(), choice.absent.end(), name) != choice.absent.end());
  const auto none = choose_signals({}).absent;
  for (const char* name : {"logit sharpness", "attention logit", "entropy", "kurtosis", "spectral norm"})
    CHECK(std::find(none.begin(), none.end(), name) != none.end());
  CHECK(std::find(choice.absent.begin(), choice.absent.end(), "max |logit|") != choice.absent.end());
  CHECK(choice.signals[1].is_baseline);
  CHECK_FALSE(choice.signals[4].is_baseline);
  CHECK(matches("*b*d", "abcd"));
  CHECK_FALSE(matches("*b*d", "abce"));
}

TEST_CASE("a signal takes the worst site, the negative where danger lies below, and a trailing variance") {
  SeriesColumns columns;
  columns["tensors"] = {{0, 10}, {"a", "b"}, {{"x_saturated", {1, 3, kNan, 2}}, {"x_sqnr", {5, 4, 7, 8}}}};
  std::vector<double> loss(60, 2.0);
  for (std::size_t i = 1; i < 60; i += 2) loss[i] = 4;
  columns["metrics"] = {{}, {}, {{"train_loss", loss}, {"log_z", std::vector<double>(60, -3.0)}}};
  for (std::int64_t i = 0; i < 60; ++i) columns["metrics"].steps.push_back(i);
  CHECK(signal_of(columns, {"", "tensors", "x_saturated", Reduction::None, false}).values == std::vector<double>{3, 2});
  CHECK(signal_of(columns, {"", "tensors", "x_sqnr", Reduction::Least, false}).values == std::vector<double>{-4, -7});
  CHECK(signal_of(columns, {"", "metrics", "log_z", Reduction::Absolute, false}).values[5] == 3);
  const SignalSeries variance = signal_of(columns, {"", "metrics", "train_loss", Reduction::Variance, false});
  CHECK(std::isnan(variance.values[48]));
  CHECK(variance.values[49] == Approx(50.0 / 49));  // 25 twos and 25 fours: squares 50, over n - 1
  CHECK(signal_of(columns, {"", "metrics", "missing", Reduction::None, false}).steps.empty());
}

}  // namespace precipice
