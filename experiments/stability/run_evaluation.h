// SPDX-License-Identifier: Apache-2.0
// The options that commands on a run's checkpoints share, as text of the command line, and what they mean.
#pragma once

#include <string>
#include <vector>

#include "train/analysis/run_evaluator.h"

namespace precipice {

struct EvaluationOptions {
  std::string run, recipe, checkpoint, tokens;
  std::int64_t batch = 0, batches = 0;
};

// Throws ConfigError when --tokens and --batch do not come together.
EvaluationRequest evaluation_request(const EvaluationOptions& options);

// The steps that --checkpoint asks for: N, all (the initial weights and every checkpoint), or nothing for the newest
// checkpoint. Throws ConfigError when it is none of these, or when there is no checkpoint to be the newest.
std::vector<std::int64_t> evaluated_steps(const std::filesystem::path& run, const std::string& checkpoint);
// The one step of a command that takes one.
std::int64_t evaluated_step(const EvaluationOptions& options);

}  // namespace precipice
