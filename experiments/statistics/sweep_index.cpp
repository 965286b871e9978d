// SPDX-License-Identifier: Apache-2.0
#include "experiments/statistics/sweep_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "experiments/sweep/observed_run.h"
#include "metrics/log/hdf5_file.h"
#include "metrics/log/run_file.h"
#include "precision/base/special_numbers.h"

namespace precipice {
namespace {

constexpr const char* kSchema = "1";

// index.h5 has no infinite numbers: NaN stands for what was not reached.
double finite_or_nan(double value) {
  return std::isfinite(value) ? value : kNaN;
}

// Only a published run.h5 can be linked or be the source of a virtual row.
bool is_published(const AnalysedRun& run) {
  std::error_code ignored;
  return run.ended() && std::filesystem::exists(RunDirectory(run.directory).run_file(), ignored);
}

std::string file_of(const AnalysedRun& run, const SweepData& data) {
  return run.directory == data.directory ? kRunFileName : run.id + "/" + kRunFileName;
}

class IndexBuilder {
 public:
  IndexBuilder(const SweepData& data, const SweepStatistics& statistics, const std::vector<IndexColumn>& further)
      : data_(data), statistics_(statistics), further_(further) {}

  std::string build() {
    for (const std::string& group : groups_of_runs()) write_series(group);
    write_runs();
    for (const AnalysedRun& run : data_.runs)
      if (is_published(run)) file_.link("/links/" + run.id, file_of(run, data_), "/");
    write_cells();
    write_survival();
    write_further();
    Json relative = statistics_json(statistics_);
    relative.erase("directory");
    file_.write("/statistics", relative.dump(-1, ' ', false, Json::error_handler_t::replace));
    file_.attribute("/", "schema_version", std::string(kSchema));
    file_.attribute("/", "reference", data_.reference);
    return file_.finish();
  }

 private:
  template <class Value>
  auto of_runs(Value value) const {
    std::vector<decltype(value(data_.runs.front()))> values;
    for (const AnalysedRun& run : data_.runs) values.push_back(value(run));
    return values;
  }

  void numbers(const std::string& path, const std::vector<double>& values, const char* units, const char* name) {
    file_.write(path, values, {values.size()});
    file_.attribute(path, "units", std::string(units));
    file_.attribute(path, "long_name", std::string(name));
  }
  void whole(const std::string& path, const std::vector<std::int64_t>& values, const char* name) {
    file_.write(path, values, {values.size()});
    file_.attribute(path, "long_name", std::string(name));
  }

  void write_runs() {
    file_.attribute(
        "/", kRunsDigest,
        digest_of_runs(of_runs([](const AnalysedRun& run) { return std::pair(run.id, run.status.run_file_sha256); })));
    file_.write("/runs/id", of_runs([](const AnalysedRun& run) { return run.id; }));
    file_.write("/runs/format", of_runs([](const AnalysedRun& run) { return run.format; }));
    file_.write("/runs/seed", of_runs([](const AnalysedRun& run) { return run.seeds; }));
    file_.write("/runs/state", of_runs([](const AnalysedRun& run) { return to_string(run.status.state); }));
    std::vector<std::string> problems = of_runs([](const AnalysedRun& run) { return run.problem; });
    for (std::size_t r = 0; r < problems.size(); ++r)
      if (problems[r].empty() && misfits_.contains(r)) problems[r] = "other steps than the longest run's";
    file_.write("/runs/problem", problems);
    numbers("/runs/learning_rate", of_runs([](const AnalysedRun& run) { return run.learning_rate; }), "1",
            "peak learning rate");
    numbers("/runs/final_loss", of_runs([](const AnalysedRun& run) {
              const double loss = run.final_loss();
              return std::isfinite(loss) ? loss : kNaN;
            }),
            "nats", "validation loss at the end; NaN for a run that diverged or has not ended");
    whole("/runs/step", of_runs([](const AnalysedRun& run) { return run.status.step; }), "steps done");
    whole("/runs/steps", of_runs([](const AnalysedRun& run) { return run.status.steps; }), "steps wanted");
    whole("/runs/divergence_step", of_runs([](const AnalysedRun& run) { return run.status.divergence_step; }),
          "step of divergence, -1: none");
    for (std::size_t a = 0; a < data_.axes.size(); ++a) {
      file_.write("/axes/" + data_.axes[a], of_runs([a](const AnalysedRun& run) { return run.values[a]; }));
      if (data_.labels.contains(data_.axes[a]))
        file_.write("/labels/" + data_.axes[a], of_runs([a](const AnalysedRun& run) { return run.shown[a]; }));
    }
  }

  // Groups of one value a step that any run has; none is called as a part of the index itself.
  std::set<std::string> groups_of_runs() const {
    static const std::set<std::string> kOwn{"runs",  "axes",     "labels", "links",
                                            "cells", "survival", "claims", "statistics"};
    std::set<std::string> names;
    for (const AnalysedRun& run : data_.runs)
      for (const auto& [name, group] : run.columns)
        if (group.sites.empty() && !kOwn.contains(name)) names.insert(name);
    return names;
  }

  void write_series(const std::string& name) {
    std::vector<std::int64_t> steps;
    std::set<std::string> series;
    std::map<std::string, Series> meanings;
    for (const AnalysedRun& run : data_.runs) {
      const auto group = run.columns.find(name);
      if (group == run.columns.end() || !group->second.sites.empty() || !is_published(run)) continue;
      if (group->second.steps.size() > steps.size()) steps = group->second.steps;
      for (const auto& [key, values] : group->second.series) series.insert(key);
      meanings.insert(group->second.meanings.begin(), group->second.meanings.end());
    }
    if (steps.empty()) return;
    for (const std::string& key : series) {
      std::vector<Hdf5Writer::SourceRow> sources;
      for (std::size_t r = 0; r < data_.runs.size(); ++r) {
        const AnalysedRun& run = data_.runs[r];
        if (!is_published(run) || find_series(run.columns, name, key) == nullptr) continue;
        const auto& own = run.columns.at(name).steps;
        if (std::equal(own.begin(), own.end(), steps.begin()))
          sources.push_back({r, file_of(run, data_), "/" + name + "/" + key, own.size()});
        else
          misfits_.insert(r);
      }
      file_.write_virtual("/" + name + "/" + key, sources, data_.runs.size(), steps.size());
      if (const auto meaning = meanings.find(key); meaning != meanings.end()) {
        file_.attribute("/" + name + "/" + key, "units", meaning->second.units);
        file_.attribute("/" + name + "/" + key, "long_name", meaning->second.long_name);
      }
    }
    whole("/" + name + "/step", steps, "training step of each column");
    file_.attribute("/" + name + "/step", "units", std::string("steps"));
  }

  void write_cells() {
    std::vector<std::string> formats;
    std::vector<double> rates, wilson[2], jeffreys[2], medians, losses;
    std::vector<std::int64_t> runs, ended, diverged, untrained, skipped;
    for (const CellStatistics& cell : statistics_.cells) {
      formats.push_back(cell.format);
      rates.push_back(cell.learning_rate);
      runs.push_back(static_cast<std::int64_t>(cell.runs));
      ended.push_back(cell.diverged.count.trials), diverged.push_back(cell.diverged.count.events);
      untrained.push_back(cell.untrained), skipped.push_back(cell.skipped);
      const Interval &w = cell.diverged.wilson, &j = cell.diverged.jeffreys;
      wilson[0].push_back(finite_or_nan(w.low)), wilson[1].push_back(finite_or_nan(w.high));
      jeffreys[0].push_back(finite_or_nan(j.low)), jeffreys[1].push_back(finite_or_nan(j.high));
      medians.push_back(finite_or_nan(cell.survival.median));
      losses.push_back(finite_or_nan(cell.final_loss.median));
    }
    file_.write("/cells/format", formats);
    numbers("/cells/learning_rate", rates, "1", "peak learning rate");
    whole("/cells/runs", runs, "runs of the cell");
    whole("/cells/ended", ended, "of them with nothing left to train");
    whole("/cells/diverged", diverged, "of these, diverged");
    whole("/cells/untrained", untrained,
          "of these, not diverged, final loss not below the unigram entropy of the data");
    whole("/cells/skipped", skipped, "of these, not diverged, half of the steps or more left out by the loss scale");
    numbers("/cells/wilson_low", wilson[0], "1", "95 % Wilson interval of the diverged fraction, lower end");
    numbers("/cells/wilson_high", wilson[1], "1", "95 % Wilson interval of the diverged fraction, upper end");
    numbers("/cells/jeffreys_low", jeffreys[0], "1", "95 % Jeffreys interval of the diverged fraction, lower end");
    numbers("/cells/jeffreys_high", jeffreys[1], "1", "95 % Jeffreys interval of the diverged fraction, upper end");
    numbers("/cells/median_step", medians, "steps", "median step of divergence; NaN: fewer than half diverged");
    numbers("/cells/median_loss", losses, "nats",
            "median final loss in order, diverged runs last; NaN where half or more diverged");
  }

  void write_survival() {
    std::vector<std::int64_t> cells, at_risk, events, censored;
    std::vector<double> steps, survival, low, high;
    std::int64_t number = 0;
    for (const CellStatistics& cell : statistics_.cells) {
      for (const SurvivalPoint& point : cell.survival.curve) {
        cells.push_back(number);
        at_risk.push_back(point.at_risk), events.push_back(point.events), censored.push_back(point.censored);
        steps.push_back(finite_or_nan(point.time)), survival.push_back(finite_or_nan(point.survival));
        low.push_back(finite_or_nan(point.interval.low)), high.push_back(finite_or_nan(point.interval.high));
      }
      ++number;
    }
    whole("/survival/cell", cells, "number of the cell in /cells");
    whole("/survival/at_risk", at_risk, "runs not yet diverged or ended");
    whole("/survival/events", events, "runs that diverged at this step");
    whole("/survival/censored", censored, "runs that ended at this step without divergence");
    numbers("/survival/step", steps, "steps", "step of the point");
    numbers("/survival/survival", survival, "1", "Kaplan-Meier estimate after this step");
    numbers("/survival/low", low, "1", "95 % log-log interval, lower end");
    numbers("/survival/high", high, "1", "95 % log-log interval, upper end");
  }

  void write_further() {
    for (const IndexColumn& column : further_) {
      std::visit([&](const auto& values) { write_column(column.path, values); }, column.values);
      file_.attribute(column.path, "long_name", column.long_name);
      if (!column.units.empty()) file_.attribute(column.path, "units", column.units);
    }
  }
  void write_column(const std::string& path, const std::vector<std::string>& values) { file_.write(path, values); }
  void write_column(const std::string& path, const std::vector<double>& values) {
    file_.write(path, values, {values.size()});
  }

  const SweepData& data_;
  const SweepStatistics& statistics_;
  const std::vector<IndexColumn>& further_;
  Hdf5Writer file_;
  std::set<std::size_t> misfits_;
};

}  // namespace

std::string build_index(const SweepData& data, const SweepStatistics& statistics,
                        const std::vector<IndexColumn>& further) {
  return IndexBuilder(data, statistics, further).build();
}

}  // namespace precipice
