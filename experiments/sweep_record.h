// SPDX-License-Identifier: Apache-2.0
// sweep.toml: what a sweep directory holds. Written whole at the start of every `precipice sweep`, read by `status`,
// `verify` and the report:
//   command = "precipice sweep ..."          as typed
//   base = ["train.steps = 40", ...]         the settings of all runs
//   axes = ["precision.recipe", "seed"]      keys that vary
//   [[runs]] id = "0123456789", values = {"precision.recipe" = "bf16", "seed" = 0}
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "experiments/sweep.h"

namespace precipice {

inline constexpr const char* kSweepFileName = "sweep.toml";

struct RecordedRun {
  std::string id;
  std::vector<AxisValue> values;  // one per axis
};

struct SweepRecord {
  std::string command;
  std::vector<std::string> base;
  std::vector<std::string> axes;
  std::vector<RecordedRun> runs;
};

SweepRecord make_record(const Sweep& sweep, const std::vector<SweepRun>& runs, const std::string& command);

// Nothing when the directory has no sweep.toml. Throws DataError when the file is damaged.
std::optional<SweepRecord> read_record(const std::filesystem::path& directory);

// Runs of the directory's earlier record with the same base and axes stay listed as long as their directories are
// there, so that a sweep can grow by further values. Throws OutputError.
void write_record(const std::filesystem::path& directory, SweepRecord record);

}  // namespace precipice
