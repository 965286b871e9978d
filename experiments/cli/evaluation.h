// SPDX-License-Identifier: Apache-2.0
// The options that commands on a run's checkpoints share, and what they mean.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "train/analysis/run_evaluator.h"

namespace precipice {

struct EvaluationOptions {
  std::string run, recipe, checkpoint, tokens;
  std::int64_t batch = 0, batches = 0;
};

// `all`: what --checkpoint all means, "" where it is not taken.
void add_evaluation_options(CLI::App& parser, EvaluationOptions& options, const std::string& all);

// Throws ConfigError when --tokens and --batch do not come together.
EvaluationRequest evaluation_request(const EvaluationOptions& options);

// The steps that --checkpoint asks for: N, all (the initial weights and every checkpoint), or nothing for the newest
// checkpoint. Throws ConfigError when it is none of these, or when there is no checkpoint to be the newest.
std::vector<std::int64_t> evaluated_steps(const RunDirectory& run, const std::string& checkpoint);
// The one step of a command that takes one.
std::int64_t evaluated_step(const EvaluationOptions& options);

}  // namespace precipice
