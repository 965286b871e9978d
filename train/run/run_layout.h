// SPDX-License-Identifier: Apache-2.0
// Names in a run's directory, beside those of metrics/ (run.h5, metrics.jnl, status.json), and whose directory it is.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace precipice {

inline constexpr const char* kConfigFileName = "config.toml";
inline constexpr const char* kCheckpointFolder = "ckpt";
inline constexpr const char* kLogFileName = "log.txt";

// The ids that a directory with this config.toml may go by: that of its settings, first, and that of its text, which is
// the id that a version of this program with other keys gave it. Throws ConfigError, DataError.
std::vector<std::string> run_ids_of(const std::filesystem::path& config_file);

}  // namespace precipice
