// SPDX-License-Identifier: Apache-2.0
// The options that sharpness, landscape and their like share.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "experiments/stability/run_evaluation.h"

namespace precipice {

// `all`: what --checkpoint all means, "" where it is not taken.
inline void add_evaluation_options(CLI::App& parser, EvaluationOptions& options, const std::string& all) {
  parser.add_option("RUN", options.run, "Run directory");
  parser.add_option("--checkpoint", options.checkpoint,
                    "Step of the checkpoint, 0: initial weights" + (all.empty() ? "" : ", " + all) + " [the newest]");
  parser.add_option("--recipe", options.recipe, "Evaluate the same weights in this recipe [the run's precision]");
  parser.add_option("--tokens", options.tokens, "int32 tokens (batch, context + 1) in place of the validation batches");
  parser.add_option("--batch", options.batch, "Rows of --tokens")->check(CLI::Range(1, 1'000'000));
  parser.add_option("--batches", options.batches, "Use only so many validation batches")
      ->check(CLI::Range(1, 1'000'000));
}

}  // namespace precipice
