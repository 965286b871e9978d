// SPDX-License-Identifier: Apache-2.0
// precipice sweep: many runs, one process each.
#include <fmt/format.h>

#include <sched.h>

#include <algorithm>
#include <memory>
#include <set>

#include "experiments/cli.h"
#include "experiments/cli_commands.h"
#include "experiments/console.h"
#include "experiments/estimate.h"
#include "experiments/lost_output.h"
#include "experiments/power_report.h"
#include "experiments/process_setup.h"
#include "experiments/recipes_report.h"
#include "experiments/sweep_inputs.h"
#include "experiments/sweep_record.h"
#include "experiments/sweep_session.h"
#include "experiments/sweep_union.h"
#include "experiments/table.h"
#include "train/run.h"
#include "train/tokens.h"

namespace precipice {
namespace {

constexpr double kPipeInterval = 15;  // seconds

struct Options {
  std::string config, out, only, invocation;
  std::vector<std::string> assignments;
  std::size_t workers = 0;  // 0: cores / threads
  bool dry_run = false, fail_fast = false, quiet = false, add = false;
};

std::int64_t usable_cores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  return sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : 1;
}

std::size_t default_workers(const std::vector<SweepRun>& runs) {
  const std::int64_t count = usable_cores();
  std::int64_t threads = 1;
  for (const SweepRun& run : runs) threads = std::max(threads, run.config.threads);
  return static_cast<std::size_t>(std::max<std::int64_t>(1, count / threads));
}

RunSelection selection_of(const std::string& only) {
  if (only == "failed") return RunSelection::Failed;
  return only == "missing" ? RunSelection::Missing : RunSelection::Unfinished;
}

void print_table(const Sweep& sweep, const std::vector<SweepRun>& runs, const std::filesystem::path& directory) {
  std::vector<std::vector<std::string>> rows{{"id"}};
  for (const Axis& axis : sweep.axes) rows[0].push_back(axis.key);
  rows[0].push_back("state");
  for (const SweepRun& run : runs) {
    std::vector<std::string> row{run.id};
    for (const AxisValue& value : run.values) row.push_back(to_text(value));
    row.push_back(to_string(observe_run(directory / run.id).state));
    rows.push_back(std::move(row));
  }
  print_result(format_table(rows));
}

// Time of `steps` in as many runs at once as the cores allow, for 1, 2, 4, ... threads each, fastest first.
std::string fastest_line(const RunConfig& config, std::int64_t steps, std::size_t to_go) {
  const std::int64_t cores = usable_cores();
  std::vector<std::pair<double, std::string>> ways;
  for (std::int64_t threads = 1; threads <= cores; threads *= 2) {
    RunConfig other = config;
    other.threads = threads;
    const std::int64_t at_once = std::clamp<std::int64_t>(cores / threads, 1, static_cast<std::int64_t>(to_go));
    const double seconds = measure_step_seconds(other) * static_cast<double>(steps) / static_cast<double>(at_once);
    ways.emplace_back(seconds,
                      fmt::format("--jobs {} with threads={}: about {}", at_once, threads, format_duration(seconds)));
  }
  std::sort(ways.begin(), ways.end());
  std::string line;
  for (const auto& [seconds, text] : ways) line += (line.empty() ? "" : "; ") + text;
  return line;
}

int print_plan(const Sweep& sweep, const std::vector<SweepRun>& runs, const Options& options, std::size_t workers) {
  print_table(sweep, runs, options.out);
  std::size_t to_go = 0;
  std::int64_t steps = 0;
  for (const SweepRun& run : runs) {
    const RunStatus status = observe_run(std::filesystem::path(options.out) / run.id);
    if (!is_selected(status.state, selection_of(options.only))) continue;
    ++to_go;
    steps += run.config.train.steps - std::min(status.step, run.config.train.steps);
  }
  std::set<std::string> plans;
  for (const SweepRun& run : runs) {
    const std::string plan = precision_plan(run.config);
    if (plans.insert(plan).second) print_result("\n" + plan);
  }
  const RunEstimate estimate = estimate_run(runs.front().config);
  const auto parallel = static_cast<double>(std::clamp<std::size_t>(to_go, 1, workers));
  print_result(fmt::format("\nruns        {}, {} to go, {} steps\n", runs.size(), to_go, steps));
  print_result(fmt::format("parameters  {} (first run)\n", estimate.parameters));
  print_result(fmt::format("time        about {} with {} at once ({:.1f} ms a step, measured on the first run)\n",
                           format_duration(estimate.step_seconds * static_cast<double>(steps) / parallel), parallel,
                           1e3 * estimate.step_seconds));
  if (to_go > 0)
    print_result(fmt::format("fastest     {} (the first run's step by itself)\n",
                             fastest_line(runs.front().config, steps, to_go)));
  print_result(
      fmt::format("memory      about {} with {} at once\n", format_bytes(estimate.memory_bytes * parallel), parallel));
  print_result(fmt::format("disk        up to {} ({} free)\n",
                           format_bytes(estimate.disk_bytes * static_cast<double>(to_go)),
                           format_bytes(free_bytes(options.out))));
  print_result(fmt::format("power       {}\n", power_line(sweep, runs)));
  return kSuccess;
}

int sweep(const Options& options) {
  const Sweep sweep = make_labelled_sweep(read_sweep_settings(options.config), read_assignments(options.assignments));
  const std::vector<SweepRun> runs = expand_sweep(sweep);
  const std::filesystem::path directory = options.out;
  if (std::filesystem::exists(directory / kConfigFileName))
    throw ConfigError({"command line", 0, "--out", options.out}, "this is a run directory; choose another one");
  const std::size_t workers = options.workers > 0 ? options.workers : default_workers(runs);
  if (options.dry_run) {
    // What a sweep would refuse, its plan refuses.
    join_sweep(directory, sweep, runs, options.invocation, options.add);
    return print_plan(sweep, runs, options, workers);
  }

  check_sweep_inputs(directory, runs);
  // Runs are forks of this process: what they share is read once. Bad data is each run's own error.
  try {
    keep_tokens(runs.front().config);
  } catch (const DataError&) {
  }
  install_stop_signals();
  const JoinedSweep joined = record_sweep(directory, sweep, runs, options.invocation, options.add);
  ProgressPrinter printer = standard_progress(options.quiet, kPipeInterval);
  if (joined.recovered > 0)
    printer.note(fmt::format("{} run directories that no sweep.toml listed are in this one's now", joined.recovered));
  const auto in_fork = [](std::vector<std::string> words) {
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    return run_cli(static_cast<int>(words.size()), argv.data());
  };
  SweepSession session(
      runs,
      {directory, {"precipice"}, workers, selection_of(options.only), options.fail_fast, &stop_requested(), in_fork},
      printer);
  const SweepSummary summary = session.run();
  const std::string beside = joined.earlier > 0
                                 ? fmt::format("; beside {} of earlier commands, see precipice status {}",
                                               joined.earlier, shell_word(path_argument(directory)))
                                 : "";
  print_note(fmt::format("sweep: {}  {}{}\n", directory.string(), describe(summary.states), beside));
  if (stop_requested()) {
    print_note("interrupted; the same command goes on with the sweep: " + options.invocation + "\n");
    return stop_exit_code();
  }
  return summary.failed + summary.interrupted > 0 ? kSomeRunsFailed : kSuccess;
}

}  // namespace

Command add_sweep(CLI::App& app, const std::string& invocation) {
  auto options = std::make_shared<Options>();
  options->invocation = invocation;
  CLI::App* parser = app.add_subcommand("sweep", "Train every combination of several values, one process per run");
  parser->add_option("SWEEP", options->config, "TOML file of settings with a [sweep] table")->required();
  parser->add_option("SETTING", options->assignments,
                     "key=value over the file's, or key=a,b,c  key=0..7  key=range(0,8)  key=logspace(1e-4,1e-1,7)");
  parser->add_option("--out", options->out, "Sweep directory; each run gets DIR/<id of its config>")
      ->required()
      ->check(refuse_empty_path);
  parser->add_option("--jobs", options->workers, "Processes at once [cores / threads of a run]")
      ->check(CLI::Range(1, 1024));
  parser->add_option("--only", options->only, "Run only what failed, or only what is missing")
      ->check(CLI::IsMember({"failed", "missing"}));
  parser->add_flag("--dry-run", options->dry_run, "Print runs, time, memory and disk; write nothing");
  parser->add_flag("--add", options->add, "Take runs of other settings than those in DIR into one sweep with them");
  parser->add_flag("--fail-fast", options->fail_fast, "After the first failed run, let the others checkpoint and stop");
  parser->add_flag("--quiet", options->quiet, "No progress, only the result");
  parser->footer(
      "The same command resumes: finished runs are left alone. A further command adds its runs to those that DIR "
      "holds.\n"
      "Example:\n  precipice sweep experiments/fp8_vs_bf16.toml optimizer.lr=1e-3,1e-2 'seed=range(0,3)' --jobs 2 "
      "--out "
      "runs/x");
  return {parser, [options] { return sweep(*options); }};
}

}  // namespace precipice
