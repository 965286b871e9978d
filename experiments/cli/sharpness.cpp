// SPDX-License-Identifier: Apache-2.0
// precipice sharpness: curvature and sharpness at a run's checkpoints, or of logits from standard input.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "experiments/cli/commands.h"
#include "experiments/cli/evaluation.h"
#include "experiments/cli/numbers.h"
#include "experiments/console/console.h"
#include "experiments/console/descriptor_io.h"
#include "experiments/stability/logit_json.h"
#include "experiments/stability/sharpness_print.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

struct SharpnessArguments {
  EvaluationOptions evaluation;
  SharpnessPlan plan;
  std::vector<std::string> kinds;
  std::string method;
  bool logits = false, json = false;
};

std::string read_standard_input() {
  constexpr std::size_t kMaxBytes = std::size_t{1} << 30;
  std::string text, buffer(1 << 16, '\0');
  while (const std::size_t size = read_some(STDIN_FILENO, buffer.data(), buffer.size())) {
    text.append(buffer, 0, size);
    if (text.size() > kMaxBytes) throw DataError("standard input: more than 1 GiB");
  }
  return text;
}

int answer_standard_input(const SharpnessArguments& options) {
  if (!options.json) refuse_option("--logits", "", "needs --json: it reads JSON and answers JSON");
  if (!options.evaluation.run.empty())
    refuse_option("RUN", options.evaluation.run, "--logits reads standard input and no run");
  print_result(answer_logits(read_standard_input(), {options.plan.lbfgs, options.plan.subspace, options.plan.seed}));
  return kSuccess;
}

std::vector<std::string> checked_kinds(const std::vector<std::string>& words) {
  const std::vector<std::string>& known = sharpness_kinds();
  std::vector<std::string> kinds;
  for (const std::string& word : words) {
    if (word == "all") return known;
    if (std::find(known.begin(), known.end(), word) == known.end()) {
      const std::string near = nearest_word(word.substr(0, 60), known);
      refuse_option("--kind", word,
                    fmt::format("must be one of {}, all{}", fmt::join(known, ", "),
                                near.empty() ? "" : fmt::format(" (did you mean {}?)", near)));
    }
    if (std::find(kinds.begin(), kinds.end(), word) == kinds.end()) kinds.push_back(word);
  }
  return kinds;
}

CurvatureMethod checked_method(const std::string& word) {
  if (word == "double-backward") return CurvatureMethod::DoubleBackward;
  if (word == "differences") return CurvatureMethod::Differences;
  const std::string near = nearest_word(word.substr(0, 60), std::vector<std::string>{"double-backward", "differences"});
  refuse_option(
      "--method", word,
      "must be one of double-backward, differences" + (near.empty() ? "" : fmt::format(" (did you mean {}?)", near)));
}

int sharpness(const SharpnessArguments& options) {
  if (options.logits) return answer_standard_input(options);
  if (options.evaluation.run.empty()) refuse_option("RUN", "", "a run directory is missing (or --logits --json)");
  SharpnessPlan plan = options.plan;
  if (!options.kinds.empty()) plan.kinds = checked_kinds(options.kinds);
  plan.method = checked_method(options.method);
  RunEvaluator evaluator(evaluation_request(options.evaluation));
  const std::vector<std::int64_t> steps =
      evaluated_steps(RunDirectory(options.evaluation.run), options.evaluation.checkpoint);
  ProgressPrinter printer = waiting_progress(false);
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const std::int64_t step : steps) {
    evaluator.load(step);
    const auto progress = [&](const std::string& kind, std::int64_t products) {
      printer.show(fmt::format("step {}: {}, {} products", step, kind, products), monotonic_seconds());
    };
    const SharpnessReport report = measure_sharpness(evaluator, plan, progress);
    printer.close();
    if (options.json)
      all.push_back(sharpness_json(report));
    else
      print_result(sharpness_text(report));
  }
  if (options.json) print_result((options.evaluation.checkpoint == "all" ? all : all[0]).dump() + "\n");
  return kSuccess;
}

}  // namespace

Command add_sharpness(CLI::App& app) {
  auto options = std::make_shared<SharpnessArguments>();
  options->method = "double-backward";
  CLI::App* parser =
      app.add_subcommand("sharpness", "Curvature and sharpness at a run's checkpoints, or of given logits");
  add_evaluation_options(*parser, options->evaluation, "all: the initial weights and every checkpoint");
  parser->add_option("--kind", options->kinds, "hessian ggn trace density sam keskar logit, or all [hessian]")
      ->delimiter(',');
  parser->add_option("--top", options->plan.top, "Eigenvalues to find [5]")->check(CLI::Range(1, 1000));
  parser->add_option("--method", options->method,
                     "double-backward: of the loss in fp32; differences: of the recipe's gradients");
  parser->add_option("--step", options->plan.step, "Length of the differences' step [1e-3 in fp32, else 0.1]")
      ->check(real_number(1e-12, 1e6));
  parser->add_option("--products", options->plan.products, "Most products with the matrix [10 top + 20; trace 60]")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1'000'000}));
  parser->add_option("--rho", options->plan.rho, "Length of SAM's step [0.05]")->check(real_number(0, 1e6));
  parser->add_option("--epsilon", options->plan.epsilons, "Boxes of keskar and logit [the run's metrics.epsilons]")
      ->delimiter(',')
      ->check(real_number(0, 10));
  parser->add_option("--seed", options->plan.seed, "Of random start vectors, probes and subspaces [0]");
  parser
      ->add_option("--subspace", options->plan.subspace,
                   "keskar, and logit with --lbfgs: in a random subspace of this dimension, 100 in the paper [0: all]")
      ->check(CLI::Range(0, 10000));
  parser->add_flag("--lbfgs", options->plan.lbfgs, "logit: also what 10 iterations of L-BFGS find");
  parser->add_flag("--logits", options->logits,
                   "Answer [{\"logits\": [...], \"target\": i, \"eps\": e}] of standard input");
  parser->add_flag("--json", options->json, "As JSON");
  parser->footer(
      "docs/METRICS.md explains each kind.\n"
      "Example:\n  precipice sharpness runs/first --kind hessian,sam --recipe fp8 --method differences");
  return {parser, [options] { return sharpness(*options); }};
}

}  // namespace precipice
