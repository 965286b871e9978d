// SPDX-License-Identifier: Apache-2.0
// A sweep: base settings, axes, and the runs that their Cartesian product makes. Pure: reads settings, touches no file.
// A sweep file is a config file with a [sweep] table whose keys are config keys and whose values are axes (axis.h).
#pragma once

#include <string>
#include <vector>

#include "experiments/axis.h"
#include "train/run_config.h"

namespace precipice {

struct Axis {
  std::string key;
  std::vector<AxisValue> values;
  ConfigError::Where where;
};

struct Sweep {
  std::vector<Setting> base;
  std::vector<Axis> axes;  // in the order of their declaration; the first one varies slowest
};

struct SweepRun {
  std::string id;
  std::vector<AxisValue> values;  // one per axis
  RunConfig config;               // resolved
};

// key=value texts from the command line, each key at most once. Throws ConfigError.
struct Assignment {
  std::string key, value;
  ConfigError::Where where;
};
std::vector<Assignment> read_assignments(const std::vector<std::string>& texts);

// An assignment of one value replaces an axis or sets the base, one of several values makes or replaces an axis.
Sweep make_sweep(const std::vector<Setting>& file_settings, const std::vector<Assignment>& assignments);

// Every run once (two combinations that resolve to the same config are one run). All configs are resolved here, so that
// every mistake is found before anything starts. Throws ConfigError.
std::vector<SweepRun> expand_sweep(const Sweep& sweep);

// The settings of one run: file, then command line. Refuses a [sweep] table.
RunConfig single_run_config(const std::vector<Setting>& file_settings, const std::vector<Assignment>& assignments);

}  // namespace precipice
