// SPDX-License-Identifier: Apache-2.0
// Early warning on sweeps whose truth is known: a signal planted 50 steps ahead, noise, and sweeps that cannot tell.
#include <algorithm>

#include "experiments/warnings/warn_report.h"
#include "experiments/warnings/warn_text.h"

#include "tests/support/catch.h"
#include "tests/support/planted_sweep.h"

using namespace precipice;
using namespace precipice::test;

namespace {

constexpr std::int64_t kSteps = 300, kAhead = 50;
constexpr const char* kPlanted = "logit sharpness, planted";

// Every third run diverges, somewhere in the second half; its signal rises by `height` kAhead steps before.
Inventor planted(std::mt19937_64& random, double height) {
  return [&random, height](const SweepRun& run, std::size_t number) {
    if (number % 3 != 0) return quiet_run(random, run.config.train.steps);
    const auto at = static_cast<std::int64_t>(150 + random() % 140);
    Invented invented = quiet_run(random, kSteps, at);
    for (std::int64_t i = at - kAhead; i <= at; ++i) invented.signal[static_cast<std::size_t>(i)] += height;
    return invented;
  };
}

const std::vector<std::string> kSettings{"seed=range(0,30)", "train.steps=300"};

const Json& row_of(const Json& report, const char* signal, std::int64_t horizon) {
  for (const Json& row : report["signals"])
    if (row["signal"] == signal && row["horizon"] == horizon) return row;
  throw std::runtime_error(std::string("no row of ") + signal);
}

WarnOptions horizons(std::vector<std::int64_t> values) {
  WarnOptions options;
  options.horizons = std::move(values);
  return options;
}

}  // namespace

TEST_CASE("a signal planted 50 steps ahead in run.h5 files is found up to 50 steps ahead and not before") {
  std::mt19937_64 random(1);
  TemporaryDirectory place;
  write_planted_sweep(place.path(), {"seed=range(0,60)", "train.steps=300"}, planted(random, 1));
  const auto found_report = warn_report(read_sweep_data(place.path()), horizons({10, 50, 51, 80}));
  const Json report = statistics_json(found_report);
  CHECK(report["cases"] == 20);
  CHECK(report["controls"] == 40);
  for (const std::int64_t horizon : {10, 50}) {
    const Json& row = row_of(report, kPlanted, horizon);
    CHECK(row["verdict"] == "warns");
    CHECK(row["auc"] == 1.0);
    CHECK(row["cases"] == 20);
    CHECK(row["average_precision"] == 1.0);
    CHECK(row["against_baseline"]["verdict"] == "better");
  }
  for (const std::int64_t horizon : {51, 80}) CHECK(row_of(report, kPlanted, horizon)["verdict"] == "undecided");
  for (const char* baseline : {"train loss", "gradient norm", "loss variance"})
    CHECK(row_of(report, baseline, 10)["verdict"] == "undecided");
  for (const Json& alarm : report["alarms"]) {
    if (alarm["signal"] != kPlanted) continue;
    CHECK(alarm["detected"]["events"] == 20);
    CHECK(alarm["detected"]["trials"] == 20);
    // The rise is 50 noise deviations high, so the first value of it passes any threshold set by noise.
    CHECK(alarm["median_lead"] == 50.0);
    CHECK(alarm["false_alarms"]["trials"] == 40);
  }
  const std::string text = warnings_text(found_report);
  CHECK(contains(text, "20 cases (rule divergence), 40 controls"));
  CHECK(contains(text, "Not logged: "));
}

TEST_CASE("among signals and baselines of pure noise no more than about 5 percent of sweeps name one") {
  std::mt19937_64 random(2);
  constexpr int kSweeps = 150;
  int named = 0, better = 0, rows = 0;
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    const auto found_report = warn_report(planted_data(kSettings, planted(random, 0)), horizons({10, 40}));
    const Json report = statistics_json(found_report);
    bool any = false, any_better = false;
    for (const Json& row : report["signals"]) {
      ++rows;
      any = any || row["verdict"] == "warns" || row["verdict"] == "inverse";
      const Json& verdict = row["against_baseline"]["verdict"];
      any_better = any_better || verdict == "better";
    }
    named += any, better += any_better;
  }
  CHECK(rows == kSweeps * 2 * 5);  // five signals at two horizons: the correction has something to correct
  INFO(named << " and " << better << " of " << kSweeps);
  // 5 % of 150 is 7.5, four standard deviations of that are 10.7.
  CHECK(named <= 18);
  CHECK(better <= 18);
}

TEST_CASE("sweeps that cannot tell say why: none or all diverged, too few, one seed, constant, too early") {
  std::mt19937_64 random(3);
  const auto none = [&](const SweepRun&, std::size_t) { return quiet_run(random, kSteps); };
  const auto all = [&](const SweepRun&, std::size_t) { return quiet_run(random, kSteps, 200); };
  const auto few = [&](const SweepRun&, std::size_t i) { return quiet_run(random, kSteps, i < 3 ? 200 : -1); };
  for (const Inventor& inventor : {Inventor(none), Inventor(all), Inventor(few)}) {
    const auto found_report = warn_report(planted_data(kSettings, inventor), horizons({10}));
    const Json report = statistics_json(found_report);
    const Json& row = row_of(report, kPlanted, 10);
    CHECK(row["verdict"] == "n too small");
    CHECK(contains(row["reason"], "at least 5 of each"));
    CHECK(row["holm_p"].is_null());
    CHECK_FALSE(warnings_text(found_report).empty());
  }
  const auto found_one = warn_report(planted_data({"seed=7", "optimizer.lr=1e-3,1e-2"}, few), horizons({10}));
  const Json one = statistics_json(found_one);
  CHECK(contains(one["notes"].dump(), "one seed"));
  const auto constant = [&](const SweepRun&, std::size_t i) {
    Invented run = quiet_run(random, kSteps, i % 2 ? 200 : -1);
    std::fill(run.signal.begin(), run.signal.end(), 0.25);
    return run;
  };
  CHECK(row_of(statistics_json(warn_report(planted_data(kSettings, constant), horizons({10}))), kPlanted,
               10)["verdict"] == "undecided: constant");
  const auto early = [&](const SweepRun&, std::size_t i) { return quiet_run(random, kSteps, i % 2 ? 5 : -1); };
  const auto found_report = warn_report(planted_data(kSettings, early), horizons({10}));
  const Json report = statistics_json(found_report);
  CHECK(row_of(report, kPlanted, 10)["cases"] == 0);
  CHECK(contains(report["notes"].dump(), "diverged before step 10, within the shortest horizon: 15;"));
}

TEST_CASE("NaN values of a signal are missing, not alarms, and a run without the signal does not count") {
  std::mt19937_64 random(4);
  const auto holes = [&](const SweepRun& run, std::size_t i) {
    Invented invented = planted(random, 1)(run, i);
    for (std::size_t k = 0; k < invented.signal.size(); k += 2) invented.signal[k] = std::nan("");
    if (i == 1) invented.signal.clear();
    return invented;
  };
  const Json row = row_of(statistics_json(warn_report(planted_data(kSettings, holes), horizons({10}))), kPlanted, 10);
  CHECK(row["verdict"] == "warns");
  CHECK(row["controls"] == 19);
}

TEST_CASE(
    "equal settings alone are compared unless pooling is asked for, and what only tells settings apart is noted") {
  std::mt19937_64 random(5);
  // All runs of the high rate diverge and have a high signal throughout: it tells the rates apart and warns of nothing.
  const auto by_rate = [&](const SweepRun& run, std::size_t) {
    const bool high = run.config.optimizer.lr > 5e-3;
    Invented invented = quiet_run(random, kSteps, high ? 200 : -1);
    for (double& value : invented.signal) value += high ? 1 : 0;
    return invented;
  };
  TemporaryDirectory place;
  write_planted_sweep(place.path(), {"seed=range(0,8)", "optimizer.lr=1e-3,1e-2", "train.steps=300"}, by_rate);
  const SweepData data = read_sweep_data(place.path());
  const auto found_equal = warn_report(data, horizons({10}));
  const Json equal = statistics_json(found_equal);
  CHECK(row_of(equal, kPlanted, 10)["verdict"] == "n too small");
  CHECK(contains(equal["within"].dump(), "optimizer.lr"));
  CHECK_FALSE(contains(equal["within"].dump(), "seed"));
  CHECK(contains(equal["notes"].dump(), "no setting has both"));
  CHECK(contains(warnings_text(found_equal), "compared: runs of equal settings"));
  WarnOptions pooled = horizons({10});
  pooled.within.emplace();
  const auto found_naive = warn_report(data, pooled);
  const Json naive = statistics_json(found_naive);
  CHECK(contains(warnings_text(found_naive), "compared: all runs, whatever their settings"));
  CHECK(row_of(naive, kPlanted, 10)["verdict"] == "warns");
  CHECK(contains(naive["notes"].dump(), "0 of 64 pairs of a diverged and another run have the same format"));
  WarnOptions within = horizons({10});
  within.within = {{"optimizer.lr"}};
  CHECK(row_of(statistics_json(warn_report(data, within)), kPlanted, 10)["verdict"] == "n too small");
  within.within = {{"optimiser.lr"}};
  CHECK_THROWS_WITH(warn_report(data, within), Catch::Contains("did you mean optimizer.lr?"));
  WarnOptions soft;
  soft.rule = "soft";
  CHECK_THROWS_WITH(warn_report(data, soft), Catch::Contains("must be a rule that names a step"));
}

TEST_CASE("the five signals that tell most are shown, best first, and the rest is counted by verdict") {
  std::mt19937_64 random(6);
  const Inventor inventor = planted(random, 1);
  const auto untrained = [&](const SweepRun& run, std::size_t i) {
    Invented invented = inventor(run, i);
    if (invented.state == RunState::Done && i < 4) invented.state = RunState::Untrained;
    return invented;
  };
  SweepData data = planted_data(kSettings, untrained);
  for (AnalysedRun& run : data.runs) {
    ColumnGroup& group = run.columns.at("sharpness");
    for (int k = 0; k < 3; ++k) {
      auto& values = group.series["noise_" + std::to_string(k)];
      for (std::size_t i = 0; i < group.steps.size(); ++i) values.push_back(static_cast<double>(random() % 1000));
    }
  }
  const auto found_report = warn_report(data, horizons({10}));
  const Json report = statistics_json(found_report);
  CHECK(report["best"].size() == 8);
  CHECK(report["best"][0] == kPlanted);
  CHECK(report["untrained"] == 2);
  const std::string text = warnings_text(found_report), all = warnings_text(found_report, true);
  CHECK(contains(text, "20 controls (of them 2 untrained); compared: runs of equal settings"));
  CHECK(contains(text, "3 more signals: 3 undecided; --all shows them"));
  for (std::size_t i = 0; i < 8; ++i) {
    const auto name = "\n" + report["best"][i].get<std::string>() + "  ";
    CHECK(contains(text, name) == (i < 5));
    CHECK(contains(all, name));
  }
}
