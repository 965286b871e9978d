// SPDX-License-Identifier: Apache-2.0
#include "train/run/longer_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <vector>

#include "metrics/files/files.h"
#include "metrics/files/run_files.h"
#include "metrics/log/journal.h"
#include "precision/base/check.h"
#include "train/recipes/resolved_run.h"
#include "train/run/config_difference.h"

namespace precipice {
namespace {

namespace fs = std::filesystem;

bool same_precision(const PrecisionPolicy& a, const PrecisionPolicy& b) {
  for (std::size_t site = 0; site < a.num_sites(); ++site)
    if (!(a.at(site) == b.at(site))) return false;
  return a.elements() == b.elements();
}

// Whether every step of the shorter run has the precision that it has in the longer one.
bool share_precision(const RunConfig& shorter, const RunConfig& longer) {
  const PrecisionSchedule a = ResolvedRun(shorter).schedule, b = ResolvedRun(longer).schedule;
  for (const PrecisionSchedule* schedule : {&a, &b})
    for (const std::int64_t step : schedule->first_steps)
      if (step < shorter.train.steps && !same_precision(a.at_step(step), b.at_step(step))) return false;
  return true;
}

bool differ_in_length_alone(const RunConfig& there, const RunConfig& config) {
  const std::int64_t steps = std::min(there.train.steps, config.train.steps);
  return there.train.steps != config.train.steps &&
         to_toml(shortened(there, steps)) == to_toml(shortened(config, steps));
}

// A checkpoint of either of two runs, of which the second is the first one continued.
Checkpoint read_of(const fs::path& path, const std::array<std::string, 2>& ids) {
  try {
    return read_checkpoint(path, ids[0]);
  } catch (const DataError&) {
    return read_checkpoint(path, ids[1]);
  }
}

}  // namespace

RunConfig shortened(const RunConfig& config, std::int64_t steps) {
  RunConfig result = config;
  result.train.steps = steps;
  std::erase_if(result.train.keep_checkpoints, [steps](std::int64_t step) { return step > steps; });
  return result;
}

std::string reason_not_to_continue(const RunConfig& shorter, const RunConfig& longer) {
  if (longer.train.steps < shorter.train.steps)
    return fmt::format("train.steps is {} there and {} here: a run can be made longer, not shorter",
                       shorter.train.steps, longer.train.steps);
  if (!differ_in_length_alone(shorter, longer)) return describe(config_differences(shorter, longer));
  if (longer.schedule.kind != ScheduleKind::Constant)
    return fmt::format(
        "train.steps is {} there and {} here, and with schedule.kind = \"{}\" the learning rate of every step depends "
        "on it; only runs of schedule.kind = \"constant\" can be made longer",
        shorter.train.steps, longer.train.steps, spelling_of(longer.schedule.kind, kScheduleKinds));
  if (!share_precision(shorter, longer))
    return fmt::format(
        "train.steps is {} there and {} here, and precision.rules = \"{}\" names steps by their place in the whole run",
        shorter.train.steps, longer.train.steps, longer.precision.rules);
  return "";
}

std::optional<RunConfig> shorter_run_there(const RunDirectory& directory, const RunConfig& config) {
  if (!directory.has_config()) return std::nullopt;
  const RunConfig there = directory.read_config();
  if (!differ_in_length_alone(there, config)) return std::nullopt;
  const std::string reason = reason_not_to_continue(there, config);
  if (reason.empty()) return there;
  throw ConfigError(
      {directory.config_file().string(), 0, "", ""},
      fmt::format("this directory holds a run of another config: {}; choose another `directory`", reason));
}

std::optional<fs::path> find_shorter_run(const fs::path& folder, const RunConfig& config,
                                         std::span<const std::int64_t> lengths) {
  std::vector<std::int64_t> longest_first(lengths.begin(), lengths.end());
  std::sort(longest_first.begin(), longest_first.end(), std::greater<>());
  for (const std::int64_t steps : longest_first) {
    if (steps <= 0 || steps >= config.train.steps) continue;
    const RunConfig shorter = shortened(config, steps);
    const RunDirectory there(folder / run_id(shorter));
    if (!there.has_config() || there.checkpoint_steps().empty()) continue;
    const std::optional<RunStatus> status = there.read_status();
    const bool has_ended = status && is_finished(status->state) && status->run_id == run_id(shorter);
    if (has_ended && reason_not_to_continue(shorter, config).empty()) return there.path();
  }
  return std::nullopt;
}

void continue_run(const RunDirectory& from, const RunConfig& shorter, const Directory& target,
                  const RunConfig& longer) {
  const std::string id = run_id(longer);
  const std::array<std::string, 2> ids{run_id(shorter), id};
  const std::vector<std::int64_t> steps = from.checkpoint_steps();
  const fs::path journal = from.journal();
  if (steps.empty()) {
    target.remove(kJournalFileName);  // nothing to go on from: the rows are made again
  } else {
    const std::string bytes = read_file(journal, kMaxJournalBytes);
    const std::string identity = parse_journal(bytes, journal.string(), -1).identity;
    if (std::ranges::find(ids, identity) == ids.end())
      throw DataError(fmt::format("{}: belongs to another run ({}, not {})", journal.string(), identity, ids[0]));
    for (const std::int64_t step : steps) read_of(from.checkpoint_file(step), ids);  // before anything is written
    target.write_atomic(kJournalFileName, renamed_journal(bytes, journal.string(), id));
    const Directory folder = target.folder(kCheckpointFolder);
    for (const std::int64_t step : steps) {
      Checkpoint checkpoint = read_of(from.checkpoint_file(step), ids);
      checkpoint.identity = id;
      store_checkpoint(folder, checkpoint);
    }
  }
  target.write_atomic(kConfigFileName, to_toml(longer));
}

}  // namespace precipice
