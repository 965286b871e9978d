// SPDX-License-Identifier: Apache-2.0
// precipice sweep: many runs, a process each or several in one.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <regex>
#include <set>

#include "experiments/claims/merged_sweep.h"
#include "experiments/claims/registry.h"
#include "experiments/cli/cli.h"
#include "experiments/cli/commands.h"
#include "experiments/cli/emit.h"
#include "experiments/cli/graphs.h"
#include "experiments/cli/option_names.h"
#include "experiments/cli/packing.h"
#include "experiments/console/console.h"
#include "experiments/console/lost_output.h"
#include "experiments/console/process_setup.h"
#include "experiments/shards/shared_runs.h"
#include "experiments/statistics/sweep_data.h"
#include "experiments/status/plan_report.h"
#include "experiments/sweep/jobs.h"
#include "experiments/sweep/plan.h"
#include "experiments/sweep/sweep_inputs.h"
#include "experiments/sweep/sweep_record.h"
#include "experiments/sweep/sweep_session.h"
#include "experiments/sweep/sweep_union.h"
#include "metrics/files/packed_runs.h"
#include "train/data/open_tokens.h"
#include "train/data/tokens.h"
#include "train/run/run.h"

namespace precipice {
namespace {

constexpr double kSweepInterval = 15;  // seconds

struct SweepArguments {
  std::string config, out, only, shard, budget, graphs = "auto", invocation;
  std::vector<std::string> assignments;
  std::size_t workers = 0;           // 0: as cores and memory allow
  std::size_t runs_per_process = 0;  // 0: as the device has it (jobs.h)
  bool dry_run = false, all_runs = false, fail_fast = false, quiet = false, add = false, fewer_seeds = false;
  EmitOptions emit;
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

struct Workers {
  std::size_t runs = 1, runs_per_process = 1;  // at once; at most
};

// Of the runs that are to be run: as many as asked for, or as cores and memory allow. Throws NotEnoughMemory. Their devices
// are open then, for the processes that are forked from this one.
Workers workers_for(const std::vector<SweepRun>& runs, const SweepArguments& options) {
  std::vector<const SweepRun*> to_go;
  for (const SweepRun& run : runs)
    if (is_selected(observe_run(std::filesystem::path(options.out) / run.id, run.id).state, selection_of(options.only)))
      to_go.push_back(&run);
  const Jobs jobs = plan_jobs_here(to_go, options.workers, available_memory());
  std::vector<const RunConfig*> configs;
  for (const SweepRun* run : to_go) configs.push_back(&run->config);
  open_devices(configs, jobs.count);
  if (!jobs.problem.empty()) throw NotEnoughMemory(jobs.problem);
  return {jobs.count, runs_per_process(to_go, jobs.count, options.runs_per_process)};
}

// What the record of a sweep says: the command of all its shards, without a share and a budget of one of them.
std::string recorded_command(const std::string& invocation) {
  static const std::regex own(" --(shard|for)[= ][^ ']+");
  return std::regex_replace(invocation, own, "");
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

// The work of a run's worker: what `precipice train CONFIG --out DIR --quiet` does.
int train_run(const SweepRun& run, const Job& job, const std::vector<std::int64_t>& lengths,
              const std::function<void()>& guard, const OptionNames& names, GraphUse graphs) {
  const std::filesystem::path& directory = job.directory;
  const std::string config = shell_word(path_argument(RunDirectory(directory).config_file()));
  const std::string invocation =
      fmt::format("precipice train {} --out {} --quiet", config, shell_word(path_argument(directory)));
  return exit_code_of([&] {
    return names.translate([&] {
      const RunStatus status = execute_run({run.config,
                                            directory,
                                            invocation,
                                            &stop_requested(),
                                            {},
                                            {},
                                            lengths,
                                            guard,
                                            nullptr,
                                            job.is_alone,
                                            graphs});
      print_note(fmt::format("run: {}  {}\n", directory.string(), describe(status)));
      return status.state == RunState::Interrupted ? stop_exit_code() : static_cast<int>(kSuccess);
    });
  });
}

// What a task on another machine gets of the command line beside file, directory and jobs.
std::vector<std::string> words_for_tasks(const SweepArguments& options) {
  std::vector<std::string> words = options.assignments;
  if (!options.only.empty()) words.insert(words.end(), {"--only", options.only});
  if (options.add) words.emplace_back("--add");
  if (options.fewer_seeds) words.emplace_back("--fewer-seeds");
  if (options.fail_fast) words.emplace_back("--fail-fast");
  if (options.runs_per_process > 0)
    words.insert(words.end(), {"--runs-per-process", std::to_string(options.runs_per_process)});
  if (options.graphs != "auto") words.insert(words.end(), {"--graphs", options.graphs});
  return words;
}

// How a session ended that was told to: by a signal, or since its time is over.
int stopped_code(const SweepSummary& summary, const SweepArguments& options) {
  if (!stop_requested() && !summary.budget_used)
    return summary.failed + summary.interrupted > 0 ? kSomeRunsFailed : kSuccess;
  const std::string why =
      stop_requested() ? "interrupted" : fmt::format("the time of --for {} is used", options.budget);
  const std::string left =
      summary.left > 0 ? fmt::format("; {} would not have ended in it and did not begin", summary.left) : "";
  print_note(fmt::format("{}{}; the same command goes on with the sweep: {}\n", why, left, options.invocation));
  return stop_requested() ? stop_exit_code() : kMoreToDo;
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
  const std::optional<ShardIndex> shard =
      options.shard.empty() ? std::nullopt : std::optional(parse_shard(options.shard));
  const std::optional<double> budget =
      options.budget.empty() ? std::nullopt : std::optional(parse_budget(options.budget));
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
    const JoinedSweep joined = join_sweep(directory, sweep, runs, options.invocation, options.add);
    print_sweep_plan(
        sweep, runs,
        {directory, selection_of(options.only), options.workers, options.all_runs, options.runs_per_process});
    if (planned)
      for (Claim& claim : claims) claim.n = std::min(claim.n, *planned);
    for (const std::string& line : undecidable_claims(claims)) print_result(line + "\n");
    // Runs of earlier commands may be what a claim is about.
    if (joined.earlier == 0)
      for (const std::string& line : unjudgeable_claims(planned_sweep_data(sweep, runs), claims))
        print_result(line + "\n");
    return kSuccess;
  }
  if (options.emit.is_asked()) {
    join_sweep(directory, sweep, runs, options.invocation, options.add);
    return emit_sweep({options.config, options.out, words_for_tasks(options), std::max<std::size_t>(1, options.workers),
                       selection_of(options.only), sweep, runs},
                      options.emit);
  }
  check_bundles(directory);  // lost runs would look as if they had never begun
  const Workers workers = workers_for(runs, options);

  check_sweep_inputs(directory, runs);
  // Runs are forks of this process: what they share is read once. Bad data is each run's own error.
  try {
    keep_tokens(runs.front().config);
  } catch (const DataError&) {
  }
  install_stop_signals();
  ProgressPrinter printer = standard_progress(options.quiet, kSweepInterval);
  SharedRuns shared(directory, shard, [](const std::string& sentence) { print_note("sweep: " + sentence + "\n"); });
  JoinedSweep joined;
  shared.with_record([&] {
    const bool begun = any_run_begun(directory);
    joined = record_sweep(directory, sweep, runs, recorded_command(options.invocation), options.add);
    register_claims(directory, claims, begun, planned);
  });
  if (joined.recovered > 0)
    printer.note(fmt::format("{} run directories that no sweep.toml listed are in this one's now", joined.recovered));
  const GraphUse graphs = parse_spelling("--graphs", options.graphs, kGraphUses);
  const auto train = [&names, &shared, graphs, lengths = lengths_of(directory, joined.record, runs)](
                         const SweepRun& run, const Job& job) {
    return train_run(run, job, lengths, shared.guard(run.id, job.claim), names, graphs);
  };
  if (workers.runs_per_process > 1) printer.note(describe_processes(workers.runs, workers.runs_per_process));
  Packing packing(directory, options.pack, shard);
  SweepSession session(
      runs,
      {directory, train, workers.runs, selection_of(options.only), options.fail_fast, &stop_requested(), &shared,
       budget, [&packing](const std::string& id) { packing.ended(id); }, workers.runs_per_process},
      printer);
  const SweepSummary summary = session.run();
  if (!stop_requested()) packing.pack_rest(joined.record);
  // Shards end together: one of them is enough.
  if (!stop_requested() && (!shard || shard->index == 0)) leave_index(directory);
  const std::string beside = joined.earlier > 0
                                 ? fmt::format("; beside {} of earlier commands, see precipice status {}",
                                               joined.earlier, shell_word(path_argument(directory)))
                                 : "";
  print_note(fmt::format("sweep: {}  {}{}\n", directory.string(), describe(summary.states), beside));
  return stopped_code(summary, options);
}

}  // namespace

Command add_sweep(CLI::App& app, const std::string& invocation) {
  auto options = std::make_shared<SweepArguments>();
  options->invocation = invocation;
  CLI::App* parser = app.add_subcommand("sweep", "Train every combination of several values, as many at once as fit");
  parser->add_option("SWEEP", options->config, "TOML file of settings with a [sweep] table")->required();
  parser->add_option("SETTING", options->assignments,
                     "key=value over the file's, or key=a,b,c  key=0..7  key=range(0,8)  key=logspace(1e-4,1e-1,7)");
  parser->add_option("--out", options->out, "Sweep directory; each run gets DIR/<id of its config>")
      ->required()
      ->check(refuse_empty_path);
  parser->add_option("--jobs", options->workers, "Runs at once [cores / threads of a run, fewer where memory is short]")
      ->check(CLI::Range(1, 1024));
  parser
      ->add_option("--runs-per-process", options->runs_per_process,
                   "Runs that share a process, a thread each, at most [device=cuda: all at once up to 16, else 1]. It "
                   "saves start-up and memory, on a GPU a context each; a crash costs the runs of one process, which "
                   "go on from their checkpoints")
      ->check(CLI::Range(std::size_t{1}, kMostRunsPerProcess));
  add_graphs_option(*parser, options->graphs);
  parser->add_option("--only", options->only, "Run only what failed, or only what is missing")
      ->check(CLI::IsMember({"failed", "missing"}));
  parser->add_option("--shard", options->shard,
                     "I/N: this is one of N processes on any hosts that share DIR, I from 0 to N-1; auto/N: I from the "
                     "array task's number. It takes its own share of the runs first, then others' (docs/CLUSTERS.md)");
  parser->add_option(
      "--for", options->budget,
      "A time such as 90s, 50m, 1.5h: start no run that would not end in it, then checkpoint and exit 7");
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
  add_emit_options(*parser, options->emit);
  parser->footer(
      "The same command resumes: finished runs are left alone. A further command adds its runs to those that DIR "
      "holds.\n"
      "Exit codes: 0 all done or diverged; 2, 4 permanent; 3 some runs failed; 7 time used (--for, SIGUSR2), more to "
      "do;\n"
      "130, 143 interrupted (SIGINT, SIGTERM). After 7, 130 and 143 the same command goes on.\n"
      "Example:\n  precipice sweep experiments/configs/fp8_vs_bf16.toml optimizer.lr=1e-3,1e-2 'seed=range(0,3)' "
      "--jobs 2 "
      "--out "
      "runs/x");
  return {parser, [options, parser] { return sweep(*options, {parser, parameters()}); }, parameters()};
}

}  // namespace precipice
