// SPDX-License-Identifier: Apache-2.0
// The names of what lies in a run's directory. They stand here alone: everything that makes such a path takes the name
// from here (train/run/run_directory.h has the paths).
#pragma once

#include <string_view>

namespace precipice {

inline constexpr const char* kConfigFileName = "config.toml";   // the resolved config: whose directory it is
inline constexpr const char* kJournalFileName = "metrics.jnl";  // every row that was logged (journal.h)
inline constexpr const char* kRunFileName = "run.h5";           // the same for plain tools (run_file.h)
inline constexpr const char* kStatusFileName = "status.json";   // what the run is doing (status_file.h)
inline constexpr const char* kInputsFileName = "inputs.json";   // hashes of its input files (train/run/run_inputs.h)
inline constexpr const char* kLogFileName = "log.txt";          // what its processes said
inline constexpr const char* kCheckpointFolder = "ckpt";        // train/run/checkpoint.h

inline constexpr const char* kPackedFolder = "packed";  // of a sweep: bundles of its finished runs (packed_runs.h)

// Whether a name is a run's id: ten hex digits.
constexpr bool is_run_id(std::string_view name) {
  return name.size() == 10 && name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace precipice
