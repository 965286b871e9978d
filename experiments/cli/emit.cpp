// SPDX-License-Identifier: Apache-2.0
#include "experiments/cli/emit.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "experiments/cli/commands.h"
#include "experiments/console/console.h"
#include "experiments/console/process_setup.h"
#include "experiments/emit/engines.h"
#include "experiments/emit/submission.h"
#include "experiments/emit/sweep_cost.h"
#include "experiments/sweep/jobs.h"
#include "experiments/sweep/plan.h"
#include "metrics/files/files.h"

namespace precipice {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxFileBytes = 1 << 20;  // of a sweep's file, as the reader of TOML has it

const Engine* find_engine(const std::string& word) {
  const auto* found =
      std::find_if(std::begin(kEngines), std::end(kEngines), [&](const Engine& e) { return e.word == word; });
  return found == std::end(kEngines) ? nullptr : found;
}

// A script is read line by line: a path with a line break would put words of its own there.
std::string script_path(const std::string& option, const fs::path& path) {
  const std::string text = fs::absolute(path).lexically_normal().string();
  if (std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }))
    refuse_option(option, text, "control characters in a path cannot stand in a script");
  return text.size() > 1 && text.ends_with("/") ? text.substr(0, text.size() - 1) : text;
}

fs::path common_folder(const fs::path& a, const fs::path& b) {
  fs::path common;
  for (auto i = a.begin(), j = b.begin(); i != a.end() && j != b.end() && *i == *j; ++i, ++j) common /= *i;
  return common;
}

// The sweep's file and those that it includes, by their paths below the folder that has them all.
std::vector<JobFile> files_of(const EmittedSweep& emitted) {
  std::vector<fs::path> paths{fs::absolute(emitted.file).lexically_normal()};
  for (const std::string& included : emitted.sweep.included) paths.push_back(fs::absolute(included).lexically_normal());
  fs::path folder = paths.front().parent_path();
  for (const fs::path& path : paths) folder = common_folder(folder, path.parent_path());
  std::vector<JobFile> files;
  for (const fs::path& path : paths)
    files.push_back({path.lexically_relative(folder).string(), read_file(path, kMaxFileBytes)});
  return files;
}

std::string cost_sentence(const SweepCost& cost, const TaskSizes& sizes) {
  if (!std::isfinite(sizes.seconds)) return cost.how;
  return fmt::format("{} of one process in all, about {} a task, by {}", format_duration(cost.seconds.all),
                     format_duration(sizes.seconds), cost.how);
}

ClusterJob make_job(const EmittedSweep& emitted, const EmitOptions& options, const SweepWork& work) {
  const SweepCost cost = cost_of(emitted.runs, work, emitted.jobs);
  const auto jobs = static_cast<std::int64_t>(emitted.jobs);
  const TaskSizes sizes = size_tasks(cost.seconds, work.to_go.size(), jobs, options.max_array, options.tasks);
  ClusterJob job;
  job.name = job_name(fs::path(emitted.file).stem().string());
  job.program = script_path("program", fs::read_symlink("/proc/self/exe"));
  job.sweep_file = script_path("SWEEP", emitted.file);
  job.directory = script_path("--out", emitted.directory);
  job.folder = script_path("folder", fs::current_path());
  job.words = {"sweep", kFilePlace};
  job.words.insert(job.words.end(), emitted.words.begin(), emitted.words.end());
  for (const std::string& word : {std::string("--out"), std::string(kDirectoryPlace), std::string("--jobs"),
                                  std::to_string(emitted.jobs), std::string("--shard"), std::string(kSharePlace)})
    job.words.push_back(word);
  job.budget_words = {"--for", fmt::format("{}m", sizes.budget_minutes)};
  job.files = files_of(emitted);
  job.runs = static_cast<std::int64_t>(work.to_go.size());
  job.tasks = sizes.tasks;
  job.jobs = jobs;
  job.threads = cost.threads;
  job.local_tasks = std::clamp<std::int64_t>(usable_cores() / (jobs * cost.threads), 1, sizes.tasks);
  job.megabytes = cost.megabytes;
  job.limit_minutes = sizes.limit_minutes;
  job.cost = cost_sentence(cost, sizes);
  job.codes = {{kUsageError, kBadData}, kSomeRunsFailed, kMoreToDo, {130, 143}};
  return job;
}

}  // namespace

void add_emit_options(CLI::App& sweep, EmitOptions& options) {
  std::vector<std::string> words;
  std::string help = "Print what runs the sweep elsewhere, to be read and changed:";
  for (const Engine& engine : kEngines) {
    words.emplace_back(engine.word);
    help += fmt::format("{} {} ({})", words.size() > 1 ? "," : "", engine.word, engine.help);
  }
  CLI::Option* emit = sweep.add_option("--emit", options.engine, help)->check(CLI::IsMember(words));
  CLI::Option* submit =
      sweep.add_flag("--slurm", options.submit, "Submit the script that --emit slurm prints, by sbatch")
          ->excludes(emit);
  for (const char* own : {"--shard", "--for", "--dry-run"}) {  // a task's, or a plan's
    emit->excludes(sweep.get_option(own));
    submit->excludes(sweep.get_option(own));
  }
  sweep
      .add_option("--max-array", options.max_array, "With these: tasks at most [1000; the cluster's MaxArraySize - 1]")
      ->check(CLI::Range(1, 1000000));
  sweep.add_option("--tasks", options.tasks, "With these: so many tasks [as many as make 30 to 60 minutes each]")
      ->check(CLI::Range(1, 1000000));
}

int emit_sweep(const EmittedSweep& emitted, const EmitOptions& options) {
  if (options.tasks > options.max_array)
    refuse_option("--tasks", std::to_string(options.tasks),
                  fmt::format("more than --max-array, {}", options.max_array));
  check_plan(emitted.runs.front().config);
  const SweepWork work = work_left(emitted.runs, emitted.directory, emitted.selection);
  if (work.to_go.empty()) {
    print_result(fmt::format("# nothing is left to run in {}\n", emitted.directory));
    return kSuccess;
  }
  const ClusterJob job = make_job(emitted, options, work);
  print_result(options.submit ? submit_to_slurm(job) : find_engine(options.engine)->text(job));
  return kSuccess;
}

}  // namespace precipice
