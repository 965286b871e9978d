// SPDX-License-Identifier: Apache-2.0
// Runs that differ in nothing but their length. Where no step depends on how many there are in all (a constant schedule,
// rules without fractions of the run), the shorter run is the beginning of the longer one in every bit, so the longer
// one goes on from its last checkpoint: in its directory, where train.steps is raised, or in one of its own beside it.
// What a checkpoint and a journal hold does not depend on the length; only the id in them does, and it is replaced.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "train/run/run_directory.h"

namespace precipice {

// The config with train.steps = `steps`, and without the checkpoints to be kept after them.
RunConfig shortened(const RunConfig& config, std::int64_t steps);

// Why `longer` is no continuation of `shorter`, naming the key: "" where it is.
std::string reason_not_to_continue(const RunConfig& shorter, const RunConfig& longer);

// The config of the run that lies in a directory, where `config` differs from it in its length alone and continues it.
// Throws ConfigError with the key that forbids it where it differs so but does not continue it. Nothing for every other
// directory.
std::optional<RunConfig> shorter_run_there(const RunDirectory& directory, const RunConfig& config);

// Of the runs of these lengths in `folder`, whose directories are named by their ids: the longest one that has ended,
// is shorter than `config`, is continued by it and has a checkpoint. `lengths` in any order.
std::optional<std::filesystem::path> find_shorter_run(const std::filesystem::path& folder, const RunConfig& config,
                                                      std::span<const std::int64_t> lengths);

// Puts journal and checkpoints of `from`, a run of the config `shorter`, into `target` as those of `longer`, and its
// config last: a kill in between leaves what may be done again. `target` is held and may be the directory itself, which
// is `from` then. Throws DataError where a file is damaged or of another run.
void continue_run(const RunDirectory& from, const RunConfig& shorter, const Directory& target, const RunConfig& longer);

}  // namespace precipice
