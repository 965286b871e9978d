// SPDX-License-Identifier: Apache-2.0
#include "experiments/sweep/sweep_inputs.h"

#include <map>
#include <set>
#include <utility>

#include "experiments/sweep/sweep_record.h"
#include "metrics/files/input_file.h"
#include "metrics/files/packed_runs.h"
#include "precision/base/check.h"
#include "train/run/run_inputs.h"

namespace precipice {
namespace {

namespace fs = std::filesystem;

// (key, path) of every file that the runs name, with its hash of now where it can be read.
std::map<std::pair<std::string, std::string>, std::string> hashes_of(const std::vector<SweepRun>& runs) {
  std::map<std::pair<std::string, std::string>, std::string> hashes;
  for (const SweepRun& run : runs)
    for (const RunInput& input : named_inputs(run.config)) {
      const auto [entry, is_new] = hashes.try_emplace({input.key, input.path});
      if (!is_new) continue;
      try {
        entry->second = sha256_of_file(input.path);
      } catch (const DataError&) {
        hashes.erase(entry);
      }
    }
  return hashes;
}

}  // namespace

void check_sweep_inputs(const fs::path& directory, const std::vector<SweepRun>& runs) {
  const auto hashes = hashes_of(runs);
  if (hashes.empty()) return;
  std::set<std::string> ids;
  for (const SweepRun& run : runs) ids.insert(run.id);
  if (const auto record = read_record(directory))
    for (const RecordedRun& run : record->runs) ids.insert(run.id);
  for (const std::string& id : ids) {
    std::error_code ignored;
    if (!fs::is_directory(directory / id, ignored) && !find_packed_run(directory / id)) continue;
    const std::vector<RunInput> recorded = recorded_inputs(directory / id);
    std::vector<RunInput> now;
    for (const RunInput& input : recorded) {
      const auto hash = hashes.find({input.key, input.path});
      if (hash != hashes.end()) now.push_back({input.key, input.path, hash->second});
    }
    compare_inputs(directory / id, recorded, now);
  }
}

}  // namespace precipice
