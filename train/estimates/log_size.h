// SPDX-License-Identifier: Apache-2.0
// How much a run will log, from its config alone: the groups of Trainer::groups() by the size of their rows, without a
// model.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "train/probes/probe.h"

namespace precipice {

// The run's probes without its model: they say what they will log and hold, at places that have no names yet.
Probes planned_probes(const RunConfig& config);

struct LoggedGroup {
  std::string name;
  std::size_t row_width = 0;  // numbers of a row
  double rows = 0;            // by the end of the run
};

// In the order of Trainer::groups().
std::vector<LoggedGroup> logged_groups(const RunConfig& config);

// All rows as numbers of 8 bytes with what a row takes besides, in memory or in the journal.
double log_bytes(const RunConfig& config);

}  // namespace precipice
