// SPDX-License-Identifier: Apache-2.0
// The file of `precipice batches`: the training batches of a run, so that another program, or a run with
// data.source = batches, can train on exactly the same data; or those of its validation loss. HDF5: datasets /x and /y,
// int64 (steps, batch, context); root attributes data_source, data_sha256 and data_seed say where they come from.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "train/config/run_config.h"
#include "train/data/open_tokens.h"
#include "train/data/tokens.h"

namespace precipice {

// The first `steps` training batches of the source, which open_tokens(config) gave. Replaces the file if there is one.
// Throws ConfigError when they are too many for one file, or none of tokens, OutputError.
void write_batches(const std::filesystem::path& path, const TokenSource& source, const RunConfig& config,
                   std::int64_t steps);
// All batches of the validation loss, in the same form; returns how many there are. Throws DataError where the source
// has none, ConfigError and OutputError as above.
std::int64_t write_validation_batches(const std::filesystem::path& path, const TokenSource& source,
                                      const RunConfig& config);

// The source of data.source = batches: training_batch(step) is the file's batch `step`, and there are no validation
// batches. Throws DataError when the shape is not the config's, when there are fewer than train.steps batches, or when
// a token lies outside data.vocabulary.
std::unique_ptr<TokenSource> open_batches(const RunConfig& config);

}  // namespace precipice
