// SPDX-License-Identifier: Apache-2.0
// precipice train: one run, or its resumption.
#include <fmt/format.h>

#include <memory>

#include "experiments/cli/commands.h"
#include "experiments/cli/graphs.h"
#include "experiments/console/console.h"
#include "experiments/console/lost_output.h"
#include "experiments/console/process_setup.h"
#include "experiments/status/plan_report.h"
#include "experiments/sweep/observed_run.h"
#include "experiments/sweep/plan.h"
#include "experiments/sweep/sweep.h"
#include "experiments/sweep/sweep_record.h"
#include "metrics/files/packed_runs.h"
#include "train/run/run.h"

namespace precipice {
namespace {

constexpr double kRunInterval = 5;  // seconds

struct TrainArguments {
  std::string config, out, graphs = "auto", invocation;
  std::vector<std::string> assignments;
  bool dry_run = false, quiet = false;
};

std::string progress_text(const RunProgress& progress) {
  std::string text = fmt::format("step {}/{}  loss {:.4f}", progress.step, progress.steps, progress.train_loss);
  if (progress.steps_per_second > 0) {
    const double left = static_cast<double>(progress.steps - progress.step) / progress.steps_per_second;
    text += fmt::format("  {} step/s  ETA {}", format_rate(progress.steps_per_second), format_duration(left));
  }
  return text;
}

// A run directory given as CONFIG stands for its own config.toml, and for --out.
std::filesystem::path config_file(TrainArguments& options) {
  namespace fs = std::filesystem;
  const fs::path given = options.config;
  if (find_packed_run(given))
    throw ConfigError({kCommandLine, 0, "CONFIG", options.config},
                      "this run is packed; precipice unpack gives its sweep's directories back");
  if (!fs::is_directory(given)) return given;
  if (const auto record = read_record(given))
    throw ConfigError({kCommandLine, 0, "CONFIG", options.config},
                      "this is a sweep directory; its command resumes it: " + record->command);
  const RunDirectory run(given);
  if (!fs::exists(run.config_file()))
    throw ConfigError({kCommandLine, 0, "CONFIG", options.config},
                      "a directory without config.toml; expected a TOML file or a run directory");
  if (options.out.empty()) options.out = options.config;
  return run.config_file();
}

int train(TrainArguments options) {
  const std::filesystem::path file = config_file(options);
  const IncludedSettings read = read_with_includes(file);
  const ResolvedRun run = single_run(read.settings, read_assignments(options.assignments, kCommandLine));
  const std::filesystem::path directory =
      options.out.empty() ? std::filesystem::path("runs") / run_id(run.config) : std::filesystem::path(options.out);
  if (std::filesystem::exists(directory / kSweepFileName))
    throw ConfigError({kCommandLine, 0, "--out", options.out}, "this is a sweep directory; choose another one");
  if (options.dry_run) {
    print_run_plan(run, directory);
    return kSuccess;
  }
  if (!is_finished(observe_run(directory).state)) {
    open_devices({&run.config}, 1);
    require_memory(run, available_memory());
  }

  install_stop_signals();
  ProgressPrinter printer = standard_progress(options.quiet, kRunInterval);
  RunRequest request{run, directory, options.invocation, &stop_requested(), {}, read.included};
  request.graphs = parse_spelling("--graphs", options.graphs, kGraphUses);
  request.progress = [&](const RunProgress& progress) {
    const double now = monotonic_seconds();
    if (printer.due(now)) printer.show(progress_text(progress), now);
  };
  const RunStatus status = execute_run(request);
  printer.close();
  print_note(fmt::format("run: {}  {}\n", directory.string(), describe(status)));
  return status.state == RunState::Interrupted ? stop_exit_code() : kSuccess;
}

}  // namespace

Command add_train(CLI::App& app, const std::string& invocation) {
  auto options = std::make_shared<TrainArguments>();
  options->invocation = invocation;
  CLI::App* parser = app.add_subcommand("train", "Train one run, or resume it");
  parser->add_option("CONFIG", options->config, "TOML file of settings (docs/CONFIG.md), or a run directory to resume")
      ->required();
  parser->add_option("SETTING", options->assignments, "key=value, over the file's");
  parser->add_option("--out", options->out, "Run directory [runs/<id of the config>]")->check(refuse_empty_path);
  add_graphs_option(*parser, options->graphs);
  parser->add_flag("--dry-run", options->dry_run,
                   "Print parameters, memory, disk, time (measured for ten seconds at most) and the resolved config; "
                   "write nothing");
  parser->add_flag("--quiet", options->quiet, "No progress, only the result");
  parser->footer(
      "The same command resumes an interrupted run with the same bits, and leaves a finished one alone;\n"
      "so does `precipice train RUN_DIRECTORY`.\n"
      "Example:\n  precipice train run.toml optimizer.lr=3e-3 precision.recipe=fp8 --out runs/first");
  return {parser, [options] { return train(*options); }, {{"directory", "--out"}}};
}

}  // namespace precipice
