// SPDX-License-Identifier: Apache-2.0
#include "experiments/cli/evaluation.h"

#include "experiments/cli/commands.h"
#include "precision/base/parse_number.h"

namespace precipice {

void add_evaluation_options(CLI::App& parser, EvaluationOptions& options, const std::string& all) {
  parser.add_option("RUN", options.run, "Run directory");
  parser.add_option("--checkpoint", options.checkpoint,
                    "Step of the checkpoint, 0: initial weights" + (all.empty() ? "" : ", " + all) + " [the newest]");
  parser.add_option("--recipe", options.recipe, "Evaluate the same weights in this recipe [the run's precision]");
  parser.add_option("--tokens", options.tokens, "int32 tokens (batch, context + 1) in place of the validation batches");
  parser.add_option("--batch", options.batch, "Rows of --tokens")->check(CLI::Range(1, 1'000'000));
  parser.add_option("--batches", options.batches, "Use only so many validation batches")
      ->check(CLI::Range(1, 1'000'000));
}

EvaluationRequest evaluation_request(const EvaluationOptions& options) {
  EvaluationRequest request;
  request.run = options.run;
  request.recipe = options.recipe;
  request.max_batches = options.batches;
  if (options.tokens.empty() != (options.batch == 0))
    refuse_option(options.tokens.empty() ? "--batch" : "--tokens",
                  options.tokens.empty() ? std::to_string(options.batch) : options.tokens,
                  "--tokens FILE and --batch B belong together: int32 tokens of shape (B, model.context + 1)");
  if (!options.tokens.empty() && options.batches > 0)
    refuse_option("--batches", std::to_string(options.batches), "counts validation batches, which --tokens replaces");
  if (!options.tokens.empty()) request.given = GivenTokens{options.tokens, options.batch};
  return request;
}

std::vector<std::int64_t> evaluated_steps(const RunDirectory& run, const std::string& checkpoint) {
  run.read_config();  // that there is no run must be said before that it has no checkpoint
  if (checkpoint == "all") return run.steps_with_weights();
  if (checkpoint.empty()) {
    const std::vector<std::int64_t> steps = run.checkpoint_steps();
    if (steps.empty())
      refuse_option("--checkpoint", "newest",
                    "this run has no checkpoint yet; --checkpoint 0 takes the initial weights");
    return {steps.back()};
  }
  const auto step = parse_number<std::int64_t>(checkpoint);
  if (!step || *step < 0) refuse_option("--checkpoint", checkpoint, "must be a step or \"all\"");
  return {*step};
}

std::int64_t evaluated_step(const EvaluationOptions& options) {
  if (options.checkpoint == "all") refuse_option("--checkpoint", "all", "must be one step here");
  return evaluated_steps(RunDirectory(options.run), options.checkpoint).front();
}

}  // namespace precipice
