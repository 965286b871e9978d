// SPDX-License-Identifier: Apache-2.0
// Sweeps whose truth is known: runs of invented series, in memory or as run directories with run.h5, status.json and
// sweep.toml as the program leaves them.
#pragma once

#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "experiments/statistics/sweep_data.h"
#include "experiments/sweep/observed_run.h"
#include "experiments/sweep/sweep_record.h"
#include "metrics/files/files.h"
#include "metrics/log/run_file.h"
#include "tests/support/files.h"

namespace precipice::test {

// One invented run: its series and how it ended.
struct Invented {
  std::vector<double> loss, grad_norm, signal;
  std::int64_t diverged_at = -1;
  RunState state = RunState::Done;
  double validation_loss = 2;
};
using Inventor = std::function<Invented(const SweepRun& run, std::size_t number)>;

inline RunSeries series_of(const Invented& run) {
  RunSeries series;
  series.groups = {{"metrics", {{"train_loss", "nats", "loss"}, {"grad_norm", "1", "norm"}}, {}},
                   {"sharpness", {{"planted", "1", "planted"}}, {}},
                   {"eval", {{"validation_loss", "nats", "validation loss"}}, {}},
                   {"toy", {{"twice_planted", "toys", "twice the planted signal"}}, {}},
                   {"cells", {{"of_a_run", "1", "a group that is called as a part of an index"}}, {}}};
  for (std::size_t i = 0; i < run.loss.size(); ++i) {
    const auto step = static_cast<std::int64_t>(i);
    series.rows.push_back({0, step, {run.loss[i], run.grad_norm[i]}});
    if (i >= run.signal.size()) continue;
    series.rows.push_back({1, step, {run.signal[i]}});
    series.rows.push_back({3, step, {2 * run.signal[i]}});
    series.rows.push_back({4, step, {0}});
  }
  if (is_finished(run.state) && run.diverged_at < 0)
    series.rows.push_back({2, static_cast<std::int64_t>(run.loss.size()), {run.validation_loss}});
  return series;
}

inline RunStatus status_of(const Invented& run, std::int64_t steps) {
  RunStatus status;
  status.state = run.state;
  status.step = static_cast<std::int64_t>(run.loss.size());
  status.steps = steps;
  status.heartbeat = 1;
  status.divergence_step = run.diverged_at;
  if (run.state == RunState::Untrained) status.reason = "final loss is not below";
  if (run.state == RunState::Skipped) status.reason = "skipped all";
  return status;
}

// `settings`: "optimizer.lr=1e-3,1e-2", ... Runs that the inventor gives no loss are never begun: no directory.
inline void write_planted_sweep(const std::filesystem::path& directory, const std::vector<std::string>& settings,
                                const Inventor& invent) {
  const Sweep sweep = make_sweep({}, read_assignments(settings));
  const std::vector<SweepRun> runs = expand_sweep(sweep);
  write_record(directory, make_record(sweep, runs, "precipice sweep planted.toml"));
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const Invented run = invent(runs[i], i);
    if (run.loss.empty() && run.state == RunState::Done) continue;
    const std::filesystem::path folder = directory / runs[i].id;
    RunDirectory(folder).claim(runs[i].config);
    RunStatus status = status_of(run, runs[i].config.train.steps);
    status.run_id = runs[i].id;
    RunFileHeader header;
    header.config_toml = to_toml(runs[i].config);
    publish_run_file(folder, build_run_file(series_of(run), header), status);
  }
}

// The same without files.
inline SweepData planted_data(const std::vector<std::string>& settings, const Inventor& invent) {
  const Sweep sweep = make_sweep({}, read_assignments(settings));
  SweepData data;
  for (const Axis& axis : sweep.axes) data.axes.push_back(axis.key);
  const std::vector<SweepRun> runs = expand_sweep(sweep);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const Invented invented = invent(runs[i], i);
    AnalysedRun run;
    run.id = runs[i].id;
    run.config = runs[i].config;
    run.status = status_of(invented, run.config.train.steps);
    run.columns = columns_of(series_of(invented));
    for (const AxisValue& value : runs[i].values) run.values.push_back(to_text(value));
    run.format = run.config.precision.recipe;
    run.learning_rate = run.config.optimizer.lr;
    run.seeds = std::to_string(run.config.seed);
    data.runs.push_back(std::move(run));
  }
  data.formats = {data.runs.front().format};
  data.learning_rates = {data.runs.front().learning_rate};
  data.reference = data.formats.front();
  return data;
}

// `steps` losses around 2.5 with small noise; NaN at the end where it diverges.
inline Invented quiet_run(std::mt19937_64& random, std::int64_t steps, std::int64_t diverged_at = -1) {
  std::normal_distribution<double> noise(0, 0.02);
  Invented run;
  run.diverged_at = diverged_at;
  const std::int64_t count = diverged_at >= 0 ? diverged_at + 1 : steps;
  for (std::int64_t i = 0; i < count; ++i) {
    run.loss.push_back(2.5 + noise(random));
    run.grad_norm.push_back(1 + noise(random));
    run.signal.push_back(noise(random));
  }
  run.validation_loss = 2.5 + noise(random);
  if (diverged_at >= 0) run.loss.back() = std::numeric_limits<double>::quiet_NaN(), run.state = RunState::Diverged;
  return run;
}

}  // namespace precipice::test
