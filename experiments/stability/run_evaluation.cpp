// SPDX-License-Identifier: Apache-2.0
#include "experiments/stability/run_evaluation.h"

#include "precision/base/check.h"
#include "precision/base/parse_number.h"

namespace precipice {
namespace {

[[noreturn]] void refuse(const std::string& option, const std::string& value, const std::string& problem) {
  throw ConfigError({"command line", 0, option, value}, problem);
}

}  // namespace

EvaluationRequest evaluation_request(const EvaluationOptions& options) {
  EvaluationRequest request;
  request.run = options.run;
  request.recipe = options.recipe;
  request.max_batches = options.batches;
  if (options.tokens.empty() != (options.batch == 0))
    refuse(options.tokens.empty() ? "--batch" : "--tokens",
           options.tokens.empty() ? std::to_string(options.batch) : options.tokens,
           "--tokens FILE and --batch B belong together: int32 tokens of shape (B, model.context + 1)");
  if (!options.tokens.empty() && options.batches > 0)
    refuse("--batches", std::to_string(options.batches), "counts validation batches, which --tokens replaces");
  if (!options.tokens.empty()) request.given = GivenTokens{options.tokens, options.batch};
  return request;
}

std::vector<std::int64_t> evaluated_steps(const std::filesystem::path& run, const std::string& checkpoint) {
  read_run_config(run);  // that there is no run must be said before that it has no checkpoint
  std::vector<std::int64_t> steps = checkpoint_steps(run / "ckpt");
  if (checkpoint == "all") {
    if (steps.empty() || steps.front() != 0) steps.insert(steps.begin(), 0);
    return steps;
  }
  if (checkpoint.empty()) {
    if (steps.empty())
      refuse("--checkpoint", "newest", "this run has no checkpoint yet; --checkpoint 0 takes the initial weights");
    return {steps.back()};
  }
  const auto step = parse_number<std::int64_t>(checkpoint);
  if (!step || *step < 0) refuse("--checkpoint", checkpoint.substr(0, 40), "must be a step or \"all\"");
  return {*step};
}

std::int64_t evaluated_step(const EvaluationOptions& options) {
  if (options.checkpoint == "all") refuse("--checkpoint", "all", "must be one step here");
  return evaluated_steps(options.run, options.checkpoint).front();
}

}  // namespace precipice
