// SPDX-License-Identifier: Apache-2.0
// What a run logs: groups of named series, each row at a step. The journal stores rows as they come, run.h5 stores them
// as one dataset per series: 1-D (step), 2-D (step, site), or 3-D (step, site, bin).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace precipice {

struct Series {
  std::string name;       // dataset name, e.g. "train_loss"
  std::string units;      // "nats", "1", "steps", ...
  std::string long_name;  // one sentence for a plot's axis or a reader of h5dump
  bool operator==(const Series&) const = default;
};

struct SeriesGroup {
  std::string name;
  std::vector<Series> series;
  std::vector<std::string> sites;   // empty: series are 1-D (step); otherwise 2-D (step, site)
  std::vector<std::string> bins{};  // not empty, with sites: series are 3-D (step, site, bin)
  bool operator==(const SeriesGroup&) const = default;
  // Values of one series in a row.
  std::size_t width() const { return (sites.empty() ? 1 : sites.size()) * (bins.empty() ? 1 : bins.size()); }
  std::size_t row_width() const { return series.size() * width(); }
};

// One row of one group. values[s * num_sites + k] is series s at site k; with bins, [(s * num_sites + k) * num_bins +
// b].
struct SeriesRow {
  std::uint16_t group = 0;  // index into the log's groups
  std::int64_t step = 0;
  std::vector<double> values;
  bool operator==(const SeriesRow&) const = default;
};

struct RunSeries {
  std::vector<SeriesGroup> groups;
  std::vector<SeriesRow> rows;  // by step; several groups may have a row at one step
};

}  // namespace precipice
