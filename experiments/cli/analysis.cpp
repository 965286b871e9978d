// SPDX-License-Identifier: Apache-2.0
// precipice label, warn and merge: what the runs of a sweep say together.
#include <fmt/format.h>

#include <memory>
#include <optional>

#include "experiments/claims/merged_sweep.h"
#include "experiments/cli/commands.h"
#include "experiments/console/console.h"
#include "experiments/statistics/sweep_statistics_text.h"
#include "experiments/sweep/index_state.h"
#include "experiments/warnings/label_report.h"
#include "experiments/warnings/warn_text.h"

namespace precipice {
namespace {

constexpr std::int64_t kMaxStep = 1'000'000'000'000;

struct AnalysisArguments {
  std::string directory, rule = kDefaultRule, reference, labels;
  WarnOptions warn;
  std::vector<std::string> within;
  bool json = false, no_index = false, pooled = false, all = false;
};

int label(const AnalysisArguments& options) {
  const LabelReport report = label_report(
      read_sweep_data(options.directory, options.reference, SeriesChoice::Values, statistics_groups()), options.rule);
  print_result(options.json ? dump(statistics_json(report)) : labels_text(report));
  return kSuccess;
}

int warn(AnalysisArguments& options) {
  options.warn.rule = options.rule;
  if (options.pooled) options.warn.within.emplace();
  if (!options.within.empty()) options.warn.within = options.within;
  const WarnReport report = warn_report(read_sweep_data(options.directory, "", SeriesChoice::Values), options.warn);
  print_result(options.json ? dump(statistics_json(report)) : warnings_text(report, options.all));
  return kSuccess;
}

int merge(const AnalysisArguments& options) {
  const MergedSweep merged = merge_sweep(options.directory, options.reference, !options.no_index);
  if (!options.no_index) write_index(merged);
  std::optional<LabelReport> labels;
  if (!options.labels.empty()) labels = label_report(merged.data, options.labels);
  if (options.json) {
    Json json = statistics_json(merged.statistics);
    if (labels) json["labels"] = statistics_json(*labels);
    if (merged.claims) json["claims"] = to_json(*merged.claims);
    if (!merged.problem.empty()) json["notes"].push_back(merged.problem);
    print_result(dump(json));
    return kSuccess;
  }
  print_result(statistics_text(merged.statistics));
  if (labels) print_result(labels_text(*labels));
  if (merged.claims) print_result(to_text(*merged.claims));
  if (!merged.problem.empty()) print_result(merged.problem + "\n");
  if (!options.no_index)
    print_result(
        fmt::format("{}: {} runs\n", (merged.data.directory / kIndexFileName).string(), merged.data.runs.size()));
  return kSuccess;
}

CLI::App* add_parser(CLI::App& app, const char* name, const char* what,
                     const std::shared_ptr<AnalysisArguments>& options) {
  CLI::App* parser = app.add_subcommand(name, what);
  parser->add_option("SWEEP", options->directory, "Sweep or run directory")->required();
  parser->add_flag("--json", options->json, "As JSON");
  return parser;
}

}  // namespace

Command add_label(CLI::App& app) {
  auto options = std::make_shared<AnalysisArguments>();
  CLI::App* parser = add_parser(app, "label", "Say what happened to each run, by every published definition", options);
  parser->add_option("--rule", options->rule, "A rule, or all")->capture_default_str();
  parser->add_option("--reference", options->reference, "Format whose seeds make the band of soft [bf16, fp32, tf32]");
  parser->footer("Rules: docs/METRICS.md. Example:\n  precipice label runs/fp8_vs_bf16 --rule all");
  return {parser, [options] { return label(*options); }};
}

Command add_warn(CLI::App& app) {
  auto options = std::make_shared<AnalysisArguments>();
  CLI::App* parser = add_parser(app, "warn", "Say which stored signal warns of divergence, and how early", options);
  parser->add_option("--horizon", options->warn.horizons, "Steps ahead, separated by commas")
      ->delimiter(',')
      ->check(CLI::Range(std::int64_t{0}, kMaxStep))
      ->capture_default_str();
  parser->add_option("--rule", options->rule, "What counts as divergence")->capture_default_str();
  CLI::Option* within =
      parser
          ->add_option("--within", options->within,
                       "Compare runs that agree in these keys [all axes but the seeds: equal settings]")
          ->delimiter(',');
  parser->add_flag("--pooled", options->pooled, "Compare all runs, whatever their settings: learning rates are pooled")
      ->excludes(within);
  parser->add_flag("--all", options->all, "All signals, not the five that tell most");
  parser->add_option("--from", options->warn.from, "First step of alarms [warm-up + 50]")
      ->check(CLI::Range(std::int64_t{0}, kMaxStep));
  parser->footer("Example:\n  precipice warn runs/fp8_vs_bf16 --horizon 10,50");
  return {parser, [options] { return warn(*options); }};
}

Command add_merge(CLI::App& app) {
  auto options = std::make_shared<AnalysisArguments>();
  CLI::App* parser =
      add_parser(app, "merge", "Write index.h5: all runs in one file, with statistics per cell", options);
  parser->add_option("--reference", options->reference, "Format that the others are compared with [bf16, fp32, tf32]");
  parser->add_flag("--no-index", options->no_index, "Only print; write nothing");
  parser->add_option("--labels", options->labels, "What `precipice label` says by this rule, or all, besides");
  parser->footer("Example:\n  precipice merge runs/fp8_vs_bf16");
  return {parser, [options] { return merge(*options); }};
}

}  // namespace precipice
