// SPDX-License-Identifier: Apache-2.0
// `precipice status`: the runs of a sweep directory, or one run, as text or JSON.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "experiments/shards/shard_files.h"
#include "experiments/sweep/index_state.h"
#include "experiments/sweep/sweep_record.h"
#include "metrics/log/status_file.h"

namespace precipice {

struct ReportedRun {
  std::string id;
  std::filesystem::path directory;
  std::vector<AxisValue> values;
  RunStatus status;  // state as observed
};

struct StatusReport {
  std::filesystem::path directory;
  std::vector<std::string> axes;  // none for a single run
  std::vector<ReportedRun> runs;
  AxisLabels labels{};
  std::vector<std::string> unlisted{};        // run directories that the sweep's record does not name
  IndexState index = IndexState::Missing;     // of the sweep's index.h5
  std::vector<SeenShard> shards{};            // processes that work at the sweep (status_shards.h)
  std::map<std::string, SeenClaim> claims{};  // by run; those that nobody has are left out
};

// Throws ConfigError when the directory holds neither a run nor a sweep.
StatusReport make_report(const std::filesystem::path& directory);
// The same runs, axes and labels, and no more: nothing of the runs is looked at.
StatusReport list_runs(const std::filesystem::path& directory);

// now: Unix seconds, for the ages. At most max_runs rows, in which those runs come first that are not finished, and
// max_shards of processes.
std::string to_text(const StatusReport& report, std::int64_t now, std::size_t max_runs = kMaxRuns,
                    std::size_t max_shards = kMaxRuns);
std::string summary_line(const StatusReport& report);  // "DIR: 36 runs: 21 done, 15 diverged\n"
// Numbers that are not finite as strings. `indent` < 0: on one line.
std::string to_json(const StatusReport& report, std::int64_t now, int indent = 2);

}  // namespace precipice
