// SPDX-License-Identifier: Apache-2.0
// A sweep: base settings, axes, and the runs that their Cartesian product makes. Pure: reads settings, touches no file.
// A sweep file is a config file with a [sweep] table whose keys are config keys and whose values are axes (axis.h),
// with labels where its author gives them (labelled_settings.h). A label is for people: it decides nothing about a run.
#pragma once

#include <string>
#include <vector>

#include "experiments/sweep/axis.h"
#include "train/config/labelled_settings.h"
#include "train/config/run_config.h"

namespace precipice {

struct ResolvedRun;  // train/recipes/resolved_run.h

struct Axis {
  std::string key;
  std::vector<AxisValue> values;
  ConfigError::Where where;
  std::vector<std::string> labels{};  // none, or one per value, "" where a value has none
  std::string text{};                 // as the command line had it; "" for an axis of the file
  int link = -1;                      // axes of one link move together: as many values, the i-th with the i-th
};

struct Sweep {
  std::vector<Setting> base;
  std::vector<Axis> axes;               // in the order of their declaration; the first one varies slowest
  std::vector<std::string> included{};  // files whose settings the sweep's file included
};

struct SweepRun {
  std::string id;
  std::vector<AxisValue> values;   // one per axis
  RunConfig config;                // resolved
  std::vector<std::string> shown;  // the values as people read them: by their labels where they have them
};

// key=value texts, each key at most once; `source` says in errors where they stood. Throws ConfigError.
struct Assignment {
  std::string key, value;
  ConfigError::Where where;
};
std::vector<Assignment> read_assignments(const std::vector<std::string>& texts, const std::string& source = "");

// An assignment of one value replaces an axis or sets the base, one of several values makes or replaces an axis.
// Labels of the file stay with the values that are still there.
Sweep make_labelled_sweep(const LabelledSettings& file, const std::vector<Assignment>& assignments);
Sweep make_sweep(const std::vector<Setting>& file_settings, const std::vector<Assignment>& assignments);

// Every run once (two combinations that resolve to the same config are one run). All configs are resolved here, so that
// every mistake is found before anything starts. Throws ConfigError.
std::vector<SweepRun> expand_sweep(const Sweep& sweep);

// The settings of one run: those of the file, then the assignments. Refuses a [sweep] table.
ResolvedRun single_run(const std::vector<Setting>& file_settings, const std::vector<Assignment>& assignments);

}  // namespace precipice
