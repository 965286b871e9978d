// SPDX-License-Identifier: Apache-2.0
#include "train/run/run_directory.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "metrics/files/files.h"
#include "metrics/files/run_files.h"
#include "metrics/log/journal.h"
#include "precision/base/check.h"
#include "train/run/config_difference.h"
#include "train/run/config_reader.h"

namespace precipice {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxConfigBytes = 1 << 20;

// Of a directory whose config.toml is lost.
void check_journal(const Directory& held, const RunConfig& config, const std::string& result) {
  const std::string advice = fmt::format("holds {} but no {}; choose another `directory`", result, kConfigFileName);
  const ConfigError refusal({held.path().string(), 0, "", ""}, advice);
  if (!held.has(kJournalFileName)) throw refusal;
  try {
    constexpr std::int64_t kNoRows = -1;
    const std::string journal = held.read(kJournalFileName, kMaxJournalBytes);
    if (parse_journal(journal, kJournalFileName, kNoRows).identity == run_id(config)) return;
  } catch (const DataError&) {
  }
  throw refusal;
}

}  // namespace

RunDirectory::RunDirectory(fs::path path) : path_(std::move(path)) {}

fs::path RunDirectory::config_file() const {
  return path_ / kConfigFileName;
}

fs::path RunDirectory::journal() const {
  return path_ / kJournalFileName;
}

fs::path RunDirectory::run_file() const {
  return path_ / kRunFileName;
}

fs::path RunDirectory::status_file() const {
  return path_ / kStatusFileName;
}

fs::path RunDirectory::inputs_file() const {
  return path_ / kInputsFileName;
}

fs::path RunDirectory::log_file() const {
  return path_ / kLogFileName;
}

fs::path RunDirectory::checkpoint_folder() const {
  return path_ / kCheckpointFolder;
}

bool RunDirectory::has_config() const {
  return is_there(config_file());  // what cannot be looked at, reading says
}

std::string RunDirectory::result() const {
  for (const char* name : {kJournalFileName, kRunFileName, kCheckpointFolder})
    if (std::error_code ignored; fs::exists(fs::symlink_status(path_ / name, ignored)) || is_there(path_ / name))
      return name;
  return "";
}

RunConfig RunDirectory::read_config() const {
  ConfigReader reader;
  return read_config(reader);
}

RunConfig RunDirectory::read_config(ConfigReader& reader) const {
  if (!has_config())
    throw ConfigError({path_.string(), 0, "", ""}, fmt::format("not a run directory: it has no {}", kConfigFileName));
  return reader.read(config_file());
}

std::vector<std::string> RunDirectory::ids() const {
  std::vector<std::string> ids{run_id(read_config())};
  const std::string of_text = sha256_hex(read_file(config_file(), kMaxConfigBytes)).substr(0, ids.front().size());
  if (of_text != ids.front()) ids.push_back(of_text);
  return ids;
}

std::optional<RunStatus> RunDirectory::read_status() const {
  return precipice::read_status(status_file());
}

void RunDirectory::claim(const RunConfig& config) const {
  make_directories(path_);
  claim(Directory(path_), config);
}

void RunDirectory::claim(const Directory& held, const RunConfig& config) {
  const RunDirectory run(held.path());
  const std::string text = to_toml(config);
  if (!run.has_config()) {
    if (const std::string result = run.result(); !result.empty()) check_journal(held, config, result);
    return held.write_atomic(kConfigFileName, text);
  }
  if (read_file(run.config_file(), kMaxConfigBytes) == text) return;
  const std::vector<ConfigDifference> differences = config_differences(run.read_config(), config);
  if (!differences.empty())
    throw ConfigError({run.config_file().string(), 0, "", ""},
                      fmt::format("this directory holds a run of another config: {}; choose another `directory`",
                                  describe(differences)));
}

std::vector<std::int64_t> RunDirectory::checkpoint_steps() const {
  return precipice::checkpoint_steps(checkpoint_folder());
}

std::vector<std::int64_t> RunDirectory::steps_with_weights() const {
  std::vector<std::int64_t> steps = checkpoint_steps();
  if (steps.empty() || steps.front() != 0) steps.insert(steps.begin(), 0);
  return steps;
}

fs::path RunDirectory::checkpoint_file(std::int64_t step) const {
  return checkpoint_path(checkpoint_folder(), step);
}

std::optional<Checkpoint> RunDirectory::load_checkpoint(std::int64_t step, const std::string& identity) const {
  const std::vector<std::int64_t> steps = checkpoint_steps();
  if (std::ranges::find(steps, step) != steps.end()) return read_checkpoint(checkpoint_file(step), identity);
  if (step == 0) return std::nullopt;
  throw ConfigError({"", 0, "checkpoint", std::to_string(step)},
                    fmt::format("{} has checkpoints of the steps {}; 0 takes the initial weights", path_.string(),
                                steps.empty() ? "(none)" : fmt::format("{}", fmt::join(steps, ", "))));
}

}  // namespace precipice
