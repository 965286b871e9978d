// SPDX-License-Identifier: Apache-2.0
// The batches of a stream of tokens: windows of context + 1 tokens, random ones of the training part, evenly spread
// ones of the validation part.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "train/config/run_config.h"
#include "train/data/token_stream.h"
#include "train/data/tokens.h"

namespace precipice {

// What a run takes of its data that no other key of the run changes.
struct TokenSequence {
  TokenStream tokens;
  std::int64_t vocabulary;
  double entropy_floor;
  std::string sha256;
  std::optional<double> unigram_entropy{};  // where it is known and need not be counted; nats
};
using SharedStream = std::shared_ptr<const TokenSequence>;

// Throws ConfigError or DataError where a part is shorter than a window.
std::unique_ptr<TokenSource> window_source(SharedStream stream, const RunConfig& config);

}  // namespace precipice
