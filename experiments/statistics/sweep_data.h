// SPDX-License-Identifier: Apache-2.0
// The runs of a sweep with their series, grouped into cells: runs that differ in nothing but their seeds. A format is
// what differs between cells apart from the learning rate. Runs of one config that were trained on different files, by
// their recorded hashes, are never in one cell: the hash then becomes a part of the format. Used by label, warn and
// merge.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "experiments/status/status_report.h"
#include "metrics/divergence/labels.h"
#include "metrics/log/series_columns.h"
#include "train/config/run_config.h"
#include "train/run/run_inputs.h"

namespace precipice {

struct AnalysedRun {
  std::string id;
  std::filesystem::path directory;
  RunStatus status;                             // as observed
  std::string problem;                          // why there are no series; "" where there are
  RunConfig config;                             // defaults where there is a problem
  std::vector<std::string> values;              // of the axes, as text
  std::vector<std::string> shown;               // the same by their labels
  std::string format;                           // "fp8", "fp8, weights=bf16", "E5M3 by 16" where values have labels
  std::map<std::string, std::string> settings;  // what makes the format: values by key
  double learning_rate = 0;
  std::vector<RunInput> inputs;  // recorded hashes of the files that it was trained on
  std::string machine;           // what it ran on; "" where its file does not say
  std::string seeds;             // of the seed axes, as text; runs of one seed in different cells share it
  SeriesColumns columns;

  bool usable() const { return problem.empty(); }
  bool diverged() const;        // by its status
  bool untrained() const;       // ended without diverging and learnt nothing (metrics/log/run_outcome.h)
  bool skipped() const;         // ended, half of the steps or more left out by the loss scale
  bool ended() const;           // is finished, with series: counts in n of N
  double initial_loss() const;  // the first finite training loss; NaN
  double final_loss() const;    // validation loss at the end; +inf for a diverged run, NaN for one that has not ended
  double end_step() const;      // of the divergence, or the last one logged
  LabelInput label_input() const;
};

struct SweepData {
  std::filesystem::path directory;
  std::vector<std::string> axes;
  AxisLabels labels;
  std::vector<AnalysedRun> runs;
  std::vector<std::string> formats;    // in the order of the runs
  std::vector<double> learning_rates;  // rising
  std::string reference;               // the format that others are compared with; "" where there is no other
  std::string split;                   // why runs of one config are in several cells; "" where they are not
  std::set<std::string> left_out;      // groups of series that were not read, by ForIndex

  std::vector<const AnalysedRun*> cell(const std::string& format, double learning_rate) const;
  std::vector<std::string> problems() const;  // one line per run that cannot be used
};

bool is_seed_axis(const std::string& axis);  // seed, data.seed, ...

// What is read of each run's series: all, or what index.h5 holds (index_series.h): no groups with bins, and those with sites
// only as long as all runs' together have at most kMostSiteValues values. Statistics of sweeps need no more; claims may.
// Or all values without their units and long names (Values).
enum class SeriesChoice { All, ForIndex, Values };
// The groups whose series statistics and labels are made of.
std::set<std::string> statistics_groups();
inline constexpr std::size_t kMostSiteValues = std::size_t{1} << 25;  // 256 MiB

// `reference`: a format, or "" for bf16, fp32, tf32 or the first. Throws ConfigError when the directory is neither a
// run nor a sweep or has no such format. A run that cannot be read gets a `problem`; nothing is left out silently.
// `groups`: of these groups alone, where any is named.
SweepData read_sweep_data(const std::filesystem::path& directory, const std::string& reference = "",
                          SeriesChoice choice = SeriesChoice::All, const std::set<std::string>& groups = {});

// The same of runs that have not begun, without series: what formats and axes there will be.
SweepData planned_sweep_data(const Sweep& sweep, const std::vector<SweepRun>& runs);

}  // namespace precipice
