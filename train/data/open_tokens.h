// SPDX-License-Identifier: Apache-2.0
// Opens the data that a config names, whatever its source.
#pragma once

#include <memory>

#include "train/config/run_config.h"
#include "train/data/tokens.h"

namespace precipice {

// Throws ConfigError (too few synthetic tokens) or DataError (unreadable, empty or too short a file, a token beyond the
// vocabulary, odd file size, header and size that disagree, batches of another shape). The config is resolved
// (data.seed is set).
std::unique_ptr<TokenSource> open_tokens(const RunConfig& config);

// Reads or makes the data of a run now and keeps it: later open_tokens of runs with the same data, here or in forks of
// this process, use it as it is. One at a time, from one thread; files of batches and teachers are not kept.
void keep_tokens(const RunConfig& config);

}  // namespace precipice
