// SPDX-License-Identifier: Apache-2.0
#include "experiments/index/sweep_index.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <numeric>
#include <set>
#include <span>

#include "experiments/index/index_coordinates.h"
#include "experiments/index/index_series.h"
#include "experiments/sweep/observed_run.h"
#include "metrics/files/files.h"
#include "metrics/hdf5/hdf5_file.h"
#include "metrics/log/run_file.h"
#include "precision/base/special_numbers.h"

namespace precipice {
namespace {

constexpr const char* kSchema = "2";

// index.h5 has no infinite numbers: NaN stands for what was not reached.
double finite_or_nan(double value) {
  return std::isfinite(value) ? value : kNaN;
}

std::string file_of(const AnalysedRun& run, const SweepData& data) {
  if (!run.ended() || !is_there(RunDirectory(run.directory).run_file())) return "";
  return run.directory == data.directory ? kRunFileName : run.id + "/" + kRunFileName;
}

class IndexBuilder {
 public:
  IndexBuilder(const SweepData& data, const SweepStatistics& statistics, const std::vector<IndexColumn>& further)
      : data_(data), statistics_(statistics), further_(further) {}

  std::string build() {
    write_left_out(write_index_series(file_, data_, own_groups()));
    write_runs();
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
    describe(path, name);
  }
  void whole(const std::string& path, const std::vector<std::int64_t>& values, const char* name) {
    file_.write(path, values, {values.size()});
    describe(path, name);
  }
  void texts(const std::string& path, const std::vector<std::string>& values, const char* name) {
    file_.write(path, values);
    describe(path, name);
  }
  // Columns of a table lie on the scale of its rows.
  void describe(const std::string& path, const std::string& long_name) {
    file_.attribute(path, "long_name", long_name);
    file_.attach_scale(path, scale_, 0);
  }
  // The rows of a table without ids are numbered.
  void begin_table(const std::string& table, const std::string& row, std::size_t rows) {
    scale_ = table + "/" + row;
    std::vector<std::int64_t> numbers(rows);
    std::iota(numbers.begin(), numbers.end(), std::int64_t{0});
    file_.write(scale_, numbers, {rows});
    file_.attribute(scale_, "long_name", "number of the " + row);
    file_.make_scale(scale_, row);
  }

  void write_left_out(const std::set<std::string>& names) {
    if (names.empty()) return;
    file_.attribute("/", "left_out",
                    fmt::format("{}: too large together; they are in the runs' own files", fmt::join(names, ", ")));
  }

  void write_runs() {
    file_.attribute(
        "/", kRunsDigest,
        digest_of_runs(of_runs([](const AnalysedRun& run) { return std::pair(run.id, run.status.run_file_sha256); })));
    const std::string coordinates = write_run_coordinates(
        file_, "/runs", data_,
        {"id", "file", "state", "problem", "learning_rate", "final_loss", "step", "steps", "divergence_step"});
    scale_ = "/runs/run";
    texts("/runs/id", of_runs([](const AnalysedRun& run) { return run.id; }), "id of the run");
    texts("/runs/file", of_runs([this](const AnalysedRun& run) { return file_of(run, data_); }),
          "where its log lies, as seen from here or in a bundle of the folder packed; empty where there is none");
    texts("/runs/state", of_runs([](const AnalysedRun& run) { return to_string(run.status.state); }), "how it ended");
    texts("/runs/problem", of_runs([](const AnalysedRun& run) { return run.problem; }), "why it has no series");
    numbers("/runs/learning_rate", of_runs([](const AnalysedRun& run) { return run.learning_rate; }), "1",
            "peak learning rate");
    numbers("/runs/final_loss", of_runs([](const AnalysedRun& run) { return finite_or_nan(run.final_loss()); }), "nats",
            "validation loss at the end; NaN for a run that diverged or has not ended");
    whole("/runs/step", of_runs([](const AnalysedRun& run) { return run.status.step; }), "steps done");
    whole("/runs/steps", of_runs([](const AnalysedRun& run) { return run.status.steps; }), "steps wanted");
    whole("/runs/divergence_step", of_runs([](const AnalysedRun& run) { return run.status.divergence_step; }),
          "step of divergence, -1: none");
    file_.attribute("/runs/final_loss", "coordinates", coordinates);
  }

  // No group of a run is called as a part of the index itself.
  static const std::set<std::string>& own_groups() {
    static const std::set<std::string> kOwn{"runs",     "axes",   "labels",     "links", "cells",
                                            "survival", "claims", "statistics", "config"};
    return kOwn;
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
    begin_table("/cells", "cell", formats.size());
    texts("/cells/format", formats, "what differs between cells apart from the learning rate");
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
    begin_table("/survival", "point", cells.size());
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
      // The table /claims has a row for each claim.
      const std::string table = column.path.substr(0, column.path.rfind('/'));
      const std::size_t rows = std::visit([](const auto& values) { return values.size(); }, column.values);
      if (tables_.insert(table).second) begin_table(table, table.substr(1, table.size() - 2), rows);
      std::visit([&](const auto& values) { write_column(column.path, values); }, column.values);
      describe(column.path, column.long_name);
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
  std::string scale_;             // of the rows of the table that is being written
  std::set<std::string> tables_;  // of further_, begun
};

}  // namespace

std::string build_index(const SweepData& data, const SweepStatistics& statistics,
                        const std::vector<IndexColumn>& further) {
  return IndexBuilder(data, statistics, further).build();
}

void write_index(const SweepData& data, const SweepStatistics& statistics, const std::vector<IndexColumn>& further) {
  write_file_atomic(data.directory / kIndexFileName, build_index(data, statistics, further));
}

}  // namespace precipice
