// SPDX-License-Identifier: Apache-2.0
// `precipice status`: the runs of a sweep directory, or one run, as text or JSON.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "experiments/axis.h"
#include "metrics/status_file.h"

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
};

// Throws ConfigError when the directory holds neither a run nor a sweep.
StatusReport make_report(const std::filesystem::path& directory);

std::string to_text(const StatusReport& report, std::int64_t now);  // now: Unix seconds, for the ages
std::string to_json(const StatusReport& report, std::int64_t now);  // numbers that are not finite as strings

}  // namespace precipice
