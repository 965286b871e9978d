// SPDX-License-Identifier: Apache-2.0
// The fixed batches that a loss is evaluated on after training: the run's validation batches, or tokens of the user.
#pragma once

#include <filesystem>
#include <vector>

#include "train/config/run_config.h"
#include "train/data/tokens.h"

namespace precipice {

struct GivenTokens {
  std::filesystem::path file;  // raw int32, little-endian, (batch, context + 1) row-major
  std::int64_t batch = 0;
};

// One batch: x is the first `context` tokens of a row, y the same one token later. Throws DataError when the size is
// another or a token lies outside [0, vocabulary).
std::vector<Batch> read_given_tokens(const GivenTokens& tokens, const ModelConfig& model, std::int64_t vocabulary);

// All validation batches of the run's data, or the first `limit` of them; 0: all. Throws DataError where the data has
// none (data.source = batches).
std::vector<Batch> validation_batches(const RunConfig& config, std::int64_t limit);

}  // namespace precipice
