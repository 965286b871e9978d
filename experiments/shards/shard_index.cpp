// SPDX-License-Identifier: Apache-2.0
#include "experiments/shards/shard_index.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>

#include "precision/base/check.h"
#include "precision/base/parse_number.h"

namespace precipice {
namespace {

// A variable with a task's number, and the one with the number of the first task, where a scheduler has it; else `first`.
struct TaskVariable {
  const char* name;
  const char* first_name;
  std::int64_t first = 0;
  // Schedulers put a word there for jobs that are no arrays.
  const char* no_array = nullptr;
};
constexpr TaskVariable kTaskVariables[] = {
    {"SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN"},
    {"JOB_COMPLETION_INDEX", nullptr},  // Kubernetes, from 0
    {"HQ_TASK_ID", nullptr},            // HyperQueue: as --array says; emitted scripts say 0-(N-1)
    {"PBS_ARRAY_INDEX", nullptr},       // OpenPBS: as -J says
    {"PBS_ARRAYID", nullptr},           // TORQUE: as -t says
    {"SGE_TASK_ID", "SGE_TASK_FIRST", 1, "undefined"},
    {"LSB_JOBINDEX", nullptr, 1, "0"},  // LSF, from 1; 0 for a job that is no array
    {"OMPI_COMM_WORLD_RANK", nullptr},
    {"PMI_RANK", nullptr},
};

[[noreturn]] void refuse_shard(const std::string& text, const std::string& problem) {
  throw ConfigError({"", 0, "shard", text}, problem);
}

std::int64_t number_of(const std::string& text, const std::string& name, const std::string& value) {
  const auto number = parse_number<std::int64_t>(value);
  if (!number) refuse_shard(text, fmt::format("{} is \"{}\", which is no whole number", name, value));
  return *number;
}

// From the first variable that is set. The index must fit into the number of shards: two tasks never get one index.
ShardIndex from_environment(const std::string& text, std::int64_t count, const Environment& environment) {
  std::string looked_at;
  for (const TaskVariable& variable : kTaskVariables) {
    looked_at += (looked_at.empty() ? "" : " ") + std::string(variable.name);
    const auto value = environment(variable.name);
    if (!value || value->empty() || (variable.no_array && *value == variable.no_array)) continue;
    std::int64_t first = variable.first;
    std::string counted = fmt::format("from {}", first);
    if (variable.first_name)
      if (const auto base = environment(variable.first_name); base && !base->empty()) {
        first = number_of(text, variable.first_name, *base);
        counted = fmt::format("from {} = {}", variable.first_name, first);
      }
    const std::int64_t index = number_of(text, variable.name, *value) - first;
    if (index < 0 || index >= count)
      refuse_shard(
          text, fmt::format("{} is {}, counted {}: the index must be 0 to {}; make an array of {} tasks{}",
                            variable.name, *value, counted, count - 1, count,
                            variable.first_name ? "" : fmt::format(", numbered {} to {}", first, first + count - 1)));
    return {index, count, variable.name};
  }
  refuse_shard(text, "no variable says which task this is; looked at " + looked_at);
}

}  // namespace

bool ShardIndex::has(const std::string& run_id) const {
  constexpr std::size_t kDigits = 8;
  const auto hash = std::strtoull(run_id.substr(0, kDigits).c_str(), nullptr, 16);
  return static_cast<std::int64_t>(hash % static_cast<std::uint64_t>(count)) == index;
}

std::string to_string(const ShardIndex& shard) {
  return fmt::format("{}/{}", shard.index, shard.count);
}

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
}

ShardIndex parse_shard(const std::string& text, const Environment& environment) {
  const std::string form = fmt::format("must be I/N or auto/N, N from 1 to {} and I from 0 to N - 1", kMaxShards);
  const std::size_t slash = text.find('/');
  if (slash == std::string::npos) refuse_shard(text, form);
  const auto count = parse_number<std::int64_t>(text.substr(slash + 1));
  if (!count || *count < 1 || *count > kMaxShards) refuse_shard(text, form);
  if (text.substr(0, slash) == "auto") return from_environment(text, *count, environment);
  const auto index = parse_number<std::int64_t>(text.substr(0, slash));
  if (!index) refuse_shard(text, form);
  if (*index < 0 || *index >= *count)
    refuse_shard(text, fmt::format("the index of one of {} shards is 0 to {}", *count, *count - 1));
  return {*index, *count};
}

double parse_budget(const std::string& text) {
  const ConfigError refusal({"", 0, "for", text}, "must be a time above 0 such as 90s, 50m or 1.5h");
  const std::size_t unit_at = text.find_first_not_of("0123456789.");
  const std::string unit = unit_at == std::string::npos ? "s" : text.substr(unit_at);
  const auto number = parse_number<double>(text.substr(0, unit_at));
  const double seconds = unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : 0;
  if (!number || seconds == 0 || !(*number > 0) || !std::isfinite(*number)) throw refusal;
  return *number * seconds;
}

}  // namespace precipice
