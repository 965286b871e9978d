// SPDX-License-Identifier: Apache-2.0
// precipice sweep: many runs, one process each.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "experiments/claims/merged_sweep.h"
#include "experiments/claims/registry.h"
#include "experiments/cli/cli.h"
#include "experiments/cli/commands.h"
#include "experiments/cli/option_names.h"
#include "experiments/cli/packing.h"
#include "experiments/console/console.h"
#include "experiments/console/lost_output.h"
#include "experiments/console/process_setup.h"
#include "experiments/statistics/sweep_data.h"
#include "experiments/sweep/jobs.h"
#include "experiments/sweep/plan.h"
#include "experiments/sweep/plan_report.h"
#include "experiments/sweep/sweep_inputs.h"
#include "experiments/sweep/sweep_record.h"
#include "experiments/sweep/sweep_session.h"
#include "experiments/sweep/sweep_union.h"
#include "metrics/log/packed_runs.h"
#include "train/data/open_tokens.h"
#include "train/data/tokens.h"
#include "train/run/run.h"

namespace precipice {
namespace {

constexpr double kSweepInterval = 15;  // seconds

struct SweepArguments {
  std::string config, out, only, invocation;
  std::vector<std::string> assignments;
  std::size_t workers = 0;  // 0: as cores and memory allow
  bool dry_run = false, all_runs = false, fail_fast = false, quiet = false, add = false, fewer_seeds = false;
  bool pack = false;
};

RunSelection selection_of(const std::string& only) {
  if (only == "failed") return RunSelection::Failed;
  return only == "missing" ? RunSelection::Missing : RunSelection::Unfinished;
}

// Of all that the directory ever held.
bool any_run_begun(const std::filesystem::path& directory) {
  const std::optional<SweepRecord> record = read_record(directory);
  if (!record) return false;
  return std::any_of(record->runs.begin(), record->runs.end(),
                     [&](const RecordedRun& run) { return has_begun(directory / run.id); });
}

// Seeds of which each combination of the other values has a run: at least one.
std::int64_t count_seeds(const Sweep& sweep, const std::vector<SweepRun>& runs) {
  std::set<std::string> seeds;
  for (const SweepRun& run : runs) {
    std::string seed;
    for (std::size_t a = 0; a < sweep.axes.size(); ++a)
      if (is_seed_axis(sweep.axes[a].key)) seed += to_text(run.values[a]) + "/";
    seeds.insert(seed);
  }
  return static_cast<std::int64_t>(seeds.size());
}

// Of the runs that are to be run: as many as asked for, or as cores and memory allow. Throws NotEnoughMemory.
std::size_t jobs_for(const std::vector<SweepRun>& runs, const SweepArguments& options) {
  std::vector<const SweepRun*> to_go;
  for (const SweepRun& run : runs)
    if (is_selected(observe_run(std::filesystem::path(options.out) / run.id, run.id).state, selection_of(options.only)))
      to_go.push_back(&run);
  const Jobs jobs = plan_jobs(to_go, options.workers, available_memory());
  if (!jobs.problem.empty()) throw NotEnoughMemory(jobs.problem);
  return jobs.count;
}

std::map<std::string, std::string> parameters() {
  return {{"directory", "--out"}};
}

// Every train.steps of the runs that the directory holds or will hold, from the shorter of which longer ones go on.
std::vector<std::int64_t> lengths_of(const std::filesystem::path& directory, const SweepRecord& record,
                                     const std::vector<SweepRun>& runs) {
  std::set<std::int64_t> lengths;
  for (const SweepRun& run : runs) lengths.insert(run.config.train.steps);
  for (const RecordedRun& run : record.runs) {
    try {
      if (const auto status = RunDirectory(directory / run.id).read_status()) lengths.insert(status->steps);
    } catch (const DataError&) {  // nobody goes on from that one
    }
  }
  return {lengths.begin(), lengths.end()};
}

// The work of a run's own process: what `precipice train CONFIG --out DIR --quiet` does.
int train_run(const SweepRun& run, const std::filesystem::path& directory, const std::vector<std::int64_t>& lengths,
              const OptionNames& names) {
  const std::string config = shell_word(path_argument(RunDirectory(directory).config_file()));
  const std::string invocation =
      fmt::format("precipice train {} --out {} --quiet", config, shell_word(path_argument(directory)));
  return exit_code_of([&] {
    return names.translate([&] {
      const RunStatus status = execute_run({run.config, directory, invocation, &stop_requested(), {}, {}, lengths});
      print_note(fmt::format("run: {}  {}\n", directory.string(), describe(status)));
      return status.state == RunState::Interrupted ? stop_exit_code() : static_cast<int>(kSuccess);
    });
  });
}

// What `precipice merge` writes. A sweep whose index cannot be written has its runs all the same.
void leave_index(const std::filesystem::path& directory) {
  try {
    write_index(merge_sweep(directory));
  } catch (const Error& error) {
    print_note(fmt::format("index.h5 is not written: {}\n", error.what()));
  }
}

int sweep(const SweepArguments& options, const OptionNames& names) {
  const Sweep sweep =
      make_labelled_sweep(read_sweep_settings(options.config), read_assignments(options.assignments, kCommandLine));
  const std::vector<SweepRun> runs = expand_sweep(sweep);
  std::vector<Claim> claims = read_claims(options.config);
  const std::optional<std::int64_t> planned =
      options.fewer_seeds ? std::optional(count_seeds(sweep, runs)) : std::nullopt;
  const std::filesystem::path directory = options.out;
  if (std::filesystem::exists(RunDirectory(directory).config_file()))
    throw ConfigError({kCommandLine, 0, "--out", options.out}, "this is a run directory; choose another one");
  if (options.dry_run) {
    // What a sweep would refuse, its plan refuses.
    join_sweep(directory, sweep, runs, options.invocation, options.add);
    print_sweep_plan(sweep, runs, {directory, selection_of(options.only), options.workers, options.all_runs});
    if (planned)
      for (Claim& claim : claims) claim.n = std::min(claim.n, *planned);
    for (const std::string& line : undecidable_claims(claims)) print_result(line + "\n");
    return kSuccess;
  }
  check_bundles(directory);  // lost runs would look as if they had never begun
  const std::size_t workers = jobs_for(runs, options);

  check_sweep_inputs(directory, runs);
  // Runs are forks of this process: what they share is read once. Bad data is each run's own error.
  try {
    keep_tokens(runs.front().config);
  } catch (const DataError&) {
  }
  install_stop_signals();
  const bool begun = any_run_begun(directory);
  const JoinedSweep joined = record_sweep(directory, sweep, runs, options.invocation, options.add);
  register_claims(directory, claims, begun, planned);
  ProgressPrinter printer = standard_progress(options.quiet, kSweepInterval);
  if (joined.recovered > 0)
    printer.note(fmt::format("{} run directories that no sweep.toml listed are in this one's now", joined.recovered));
  const auto train = [&names, lengths = lengths_of(directory, joined.record, runs)](
                         const SweepRun& run, const std::filesystem::path& place) {
    return train_run(run, place, lengths, names);
  };
  Packing packing(directory, options.pack);
  SweepSession session(runs,
                       {directory, train, workers, selection_of(options.only), options.fail_fast, &stop_requested(),
                        [&packing](const std::string& id) { packing.ended(id); }},
                       printer);
  const SweepSummary summary = session.run();
  if (!stop_requested()) packing.pack_rest(joined.record);
  if (!stop_requested()) leave_index(directory);
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
  auto options = std::make_shared<SweepArguments>();
  options->invocation = invocation;
  CLI::App* parser = app.add_subcommand("sweep", "Train every combination of several values, one process per run");
  parser->add_option("SWEEP", options->config, "TOML file of settings with a [sweep] table")->required();
  parser->add_option("SETTING", options->assignments,
                     "key=value over the file's, or key=a,b,c  key=0..7  key=range(0,8)  key=logspace(1e-4,1e-1,7)");
  parser->add_option("--out", options->out, "Sweep directory; each run gets DIR/<id of its config>")
      ->required()
      ->check(refuse_empty_path);
  parser
      ->add_option("--jobs", options->workers,
                   "Processes at once [cores / threads of a run, fewer where memory is short]")
      ->check(CLI::Range(1, 1024));
  parser->add_option("--only", options->only, "Run only what failed, or only what is missing")
      ->check(CLI::IsMember({"failed", "missing"}));
  parser->add_flag("--dry-run", options->dry_run,
                   "Print memory, disk, time (measured for ten seconds at most) and runs; write nothing");
  parser->add_flag("--all-runs", options->all_runs, "With --dry-run: list every run, not the first 40");
  parser->add_flag("--add", options->add, "Take runs of other settings than those in DIR into one sweep with them");
  parser->add_flag("--fewer-seeds", options->fewer_seeds,
                   "Judge claims that ask for more seeds than this command plans with those that it plans");
  parser->add_flag("--fail-fast", options->fail_fast, "After the first failed run, let the others checkpoint and stop");
  parser->add_flag("--pack", options->pack,
                   "Put finished runs into one file, DIR/packed/<host>.zip, instead of a directory each");
  parser->add_flag("--quiet", options->quiet, "No progress, only the result");
  parser->footer(
      "The same command resumes: finished runs are left alone. A further command adds its runs to those that DIR "
      "holds.\n"
      "Example:\n  precipice sweep experiments/configs/fp8_vs_bf16.toml optimizer.lr=1e-3,1e-2 'seed=range(0,3)' "
      "--jobs 2 "
      "--out "
      "runs/x");
  return {parser, [options, parser] { return sweep(*options, {parser, parameters()}); }, parameters()};
}

}  // namespace precipice
