// SPDX-License-Identifier: Apache-2.0
// sweep.toml: what a sweep directory holds, read by `status`, `verify`, `merge` and the report:
//   command = "precipice sweep ..."          the last one, as typed
//   earlier_commands = ["...", ...]          those before it, oldest first
//   included = ["base.toml"]                 where settings come from beside the sweep's own file; only where there are any
//   base = ["train.steps = 40", ...]         the settings of all runs
//   axes = ["precision.recipe", "seed"]      keys that vary, those of the last command first
//   [labels."precision.recipe"]              what people call a value of an axis:
//   "mxfp8:element=e5m3,block=16" = "E5M3 by 16"
//   [[runs]] id = "0123456789", values = {"precision.recipe" = "bf16", "seed" = 0}
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "experiments/sweep/sweep.h"
#include "metrics/files/run_files.h"

namespace precipice {

inline constexpr const char* kSweepFileName = "sweep.toml";

struct RecordedRun {
  std::string id;
  std::vector<AxisValue> values;  // one per axis
};

// By key, then by the value as text (to_text).
using AxisLabels = std::map<std::string, std::map<std::string, std::string>>;

struct SweepRecord {
  std::string command;
  std::vector<std::string> earlier_commands{};
  std::vector<std::string> included{};  // files whose settings the sweep's file included
  std::vector<std::string> base{};
  std::vector<std::string> axes{};
  AxisLabels labels{};
  std::vector<RecordedRun> runs{};
};

// What people call this value of an axis: its label, or the value as text.
std::string shown_value(const AxisLabels& labels, const std::string& axis, const AxisValue& value);

// One line of a record's base.
std::string base_line(const Setting& setting);

SweepRecord make_record(const Sweep& sweep, const std::vector<SweepRun>& runs, const std::string& command);

// Nothing when the directory has no sweep.toml. Throws DataError when the file is damaged.
std::optional<SweepRecord> read_record(const std::filesystem::path& directory);

// Makes the directory where it is missing; a file that already says this stays. Throws OutputError.
void write_record(const std::filesystem::path& directory, const SweepRecord& record);

// Directories of runs inside a sweep directory that its record does not list, sorted by name.
std::vector<std::string> unlisted_runs(const std::filesystem::path& directory, const SweepRecord& record);

}  // namespace precipice
