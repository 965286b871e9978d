// SPDX-License-Identifier: Apache-2.0
// How often the online metrics are measured: one key metrics.<name>_every for each interval, which the probes of
// train/probes/ find by its name. Several probes may share one. Keys, their help, docs/CONFIG.md and no_probes() all
// follow from the one list.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace precipice {

struct MetricInterval {
  std::string name;        // "sam": the key is metrics.sam_every
  std::int64_t usual = 0;  // steps from one row to the next by default; 0: never
  std::string help;
  // Whether a run that never measures it has neither its key in its config nor its groups in its log: for metrics that
  // came later, so that ids and files of runs without them stay what they were.
  bool is_optional = false;
};

// In the order of their keys.
const std::vector<MetricInterval>& metric_intervals();

// The steps of each interval by its name.
std::map<std::string, std::int64_t> usual_intervals();

// While this object lives, the list has one more interval at its end: how a test brings a metric of its own.
class AddedInterval {
 public:
  explicit AddedInterval(MetricInterval interval);
  ~AddedInterval();
  AddedInterval(const AddedInterval&) = delete;
  AddedInterval& operator=(const AddedInterval&) = delete;
};

}  // namespace precipice
