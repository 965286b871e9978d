// SPDX-License-Identifier: Apache-2.0
#include "experiments/status/plan_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "experiments/console/console.h"
#include "experiments/console/table.h"
#include "experiments/formats/recipes_report.h"
#include "experiments/status/accumulator_cost.h"
#include "experiments/status/power_report.h"
#include "experiments/sweep/jobs.h"
#include "experiments/sweep/plan.h"
#include "experiments/sweep/step_timing.h"
#include "experiments/sweep/sweep_work.h"
#include "precision/quantize/device.h"

namespace precipice {
namespace {

constexpr double kTimingSeconds = 9;  // for all measurements of a plan, so that it ends within ten
constexpr std::size_t kShownRuns = 40;

std::string milliseconds(double seconds) {
  return seconds < 1 ? fmt::format("{:.1f} ms", 1e3 * seconds) : fmt::format("{:.2f} s", seconds);
}

void print_memory(const MemoryEstimate& memory, const std::string& bytes, const AvailableMemory& available,
                  const std::string& indent) {
  print_result(fmt::format("{}memory      about {}, of {} that are there ({})\n", indent, bytes,
                           format_bytes(available.bytes), available.source));
  print_result(fmt::format("{}            most in {}: {}\n", indent, memory.phase, describe(memory)));
}

void print_remark(const RunConfig& config, const std::string& indent) {
  const std::string remark = data_remark(config);
  if (!remark.empty()) print_result(fmt::format("{}data        {}\n", indent, remark));
}

// One step's time with some number of threads, and the sweep's with as many jobs as the cores have room for.
struct Way {
  std::int64_t threads = 1, jobs = 1;
  StepTiming step;
  double seconds = 0;
};

// The run's own threads first, then 1, 2, 4, ... of all cores; each number is measured once.
std::vector<Way> measure_ways(const RunConfig& config, const SweepWork& work, const Jobs& jobs,
                              const AvailableMemory& available) {
  const std::int64_t cores = usable_cores();
  std::vector<std::int64_t> threads{config.threads};
  for (std::int64_t count = 1; count <= cores; count *= 2)
    if (count != config.threads) threads.push_back(count);
  std::vector<Way> ways;
  for (const std::int64_t count : threads) {
    RunConfig other = config;
    other.threads = count;
    Way way{count, 1, {}, 0};
    const std::int64_t room = std::max<std::int64_t>(1, cores / count);
    const std::size_t most = count == config.threads ? jobs.count : std::min(jobs.fitting, work.to_go.size());
    way.jobs = std::min(room, static_cast<std::int64_t>(most));
    way.step = time_step(other, kTimingSeconds / static_cast<double>(threads.size()), available.bytes);
    way.seconds = way.step.seconds * work.work / static_cast<double>(way.jobs);
    if (way.step.is_measured() || ways.empty()) ways.push_back(way);
  }
  return ways;
}

void print_times(const std::vector<Way>& measured, std::size_t asked_jobs) {
  const Way& own = measured.front();
  if (!own.step.is_measured()) {
    print_result(fmt::format("time        {}\n", own.step.how));
    return;
  }
  const std::string more = asked_jobs > static_cast<std::size_t>(own.jobs)
                               ? fmt::format("; the cores have room for {} of {} jobs", own.jobs, asked_jobs)
                               : "";
  print_result(
      fmt::format("time        about {} with {} at once: {} a step of the first run, {}, without probes and "
                  "validation; other runs by their multiply-adds{}\n",
                  format_duration(own.seconds), own.jobs, milliseconds(own.step.seconds), own.step.how, more));
  std::vector<Way> ways = measured;
  std::stable_sort(ways.begin(), ways.end(), [](const Way& a, const Way& b) { return a.seconds < b.seconds; });
  std::string line;
  for (const Way& way : ways)
    line += fmt::format("{}--jobs {} with threads={}: about {}", line.empty() ? "" : "; ", way.jobs, way.threads,
                        format_duration(way.seconds));
  print_result("fastest     " + line + "\n");
}

void print_table(const Sweep& sweep, const std::vector<SweepRun>& runs, const SweepWork& work, bool all_runs) {
  const std::size_t shown = all_runs || runs.size() <= kShownRuns ? runs.size() : kShownRuns;
  std::vector<std::vector<std::string>> rows{{"id"}};
  for (const Axis& axis : sweep.axes) rows[0].push_back(axis.key);
  rows[0].push_back("state");
  for (std::size_t i = 0; i < shown; ++i) {
    std::vector<std::string> row{runs[i].id};
    for (const AxisValue& value : runs[i].values) row.push_back(to_text(value));
    row.push_back(to_string(work.statuses[i].state));
    rows.push_back(std::move(row));
  }
  print_result("\n" + format_table(rows));
  if (shown < runs.size())
    print_result(fmt::format("... and {} more runs; --all-runs shows them\n", runs.size() - shown));
}

// Keys that a plan of precision depends on: equal ones are printed once, and made once.
std::string precision_key(const RunConfig& config) {
  RunConfig only;
  only.model = config.model;
  only.data.vocabulary = config.data.vocabulary;
  only.train.batch = config.train.batch;
  only.precision = config.precision;
  only.precision.seed = 0;
  only.optimizer.kind = config.optimizer.kind;
  only.optimizer.state = config.optimizer.state;
  only.loss_scale = config.loss_scale;
  only.train.steps = config.train.steps;
  return to_toml(only);
}

void print_precision(const std::vector<SweepRun>& runs) {
  std::set<std::string> keys, plans;
  for (const SweepRun& run : runs) {
    if (!keys.insert(precision_key(run.config)).second) continue;
    const std::string plan = precision_plan(run.config);
    if (!plans.insert(plan).second) continue;
    print_result("\n" + plan);
    for (const std::string& line : accumulator_costs(run.config)) print_result("  " + line + "\n");
  }
}

}  // namespace

void print_run_plan(const ResolvedRun& run, const std::filesystem::path& directory) {
  const RunConfig& config = run.config;
  const AvailableMemory available = available_memory();
  const RunPlan plan = plan_run(run);
  open_device(config.device);
  check_plan(config);
  const std::string problem = memory_problem(run, available);
  const RunStatus status = observe_run(directory);
  print_result(fmt::format("# run {} in {}: {}\n", run_id(config), directory.string(), to_string(status.state)));
  print_result(fmt::format("# {} parameters, {} steps\n", plan.parameters, config.train.steps));
  print_memory(plan.memory, format_bytes(plan.memory.bytes()), available, "# ");
  if (config.device == DeviceKind::Cuda) {
    const MemoryEstimate on_gpu = estimate_gpu_memory(run);
    print_result(fmt::format("# gpu memory  about {}\n#             most in {}: {}\n", format_bytes(on_gpu.bytes()),
                             on_gpu.phase, describe(on_gpu)));
  }
  print_result(fmt::format("# disk        up to {} ({} free)\n", format_bytes(plan.disk_bytes),
                           format_bytes(free_bytes(directory))));
  print_remark(config, "# ");
  const StepTiming step = time_step(config, kTimingSeconds, available.bytes);
  if (step.is_measured())
    print_result(fmt::format("# time        about {}: {} a step, {}, without probes and validation\n",
                             format_duration(step.seconds * static_cast<double>(config.train.steps)),
                             milliseconds(step.seconds), step.how));
  else
    print_result(fmt::format("# time        {}\n", step.how));
  for (const std::string& line : accumulator_costs(run)) print_result("# " + line + "\n");
  std::istringstream precision(precision_plan(run));
  for (std::string line; std::getline(precision, line);) print_result("# " + line + "\n");
  print_result("\n" + to_toml(config));
  if (!problem.empty()) throw NotEnoughMemory(problem);
}

void print_sweep_plan(const Sweep& sweep, const std::vector<SweepRun>& runs, const SweepPlanOptions& options) {
  const AvailableMemory available = available_memory();
  const RunConfig& first = runs.front().config;
  const RunPlan plan = plan_run(first);
  check_plan(first);
  for (const SweepRun& run : runs) open_device(run.config.device);
  const SweepWork work = work_left(runs, options.directory, options.selection);
  const Jobs jobs = plan_jobs_here(work.to_go, options.jobs, available);
  std::map<std::string, double> disks;
  double disk = 0;
  for (const SweepRun* run : work.to_go) {
    const auto [place, is_new] = disks.try_emplace(size_key(run->config));
    if (is_new) place->second = plan_run(run->config).disk_bytes;
    disk += place->second;
  }
  print_result(fmt::format("runs        {}, {} to go, {} steps\n", runs.size(), work.to_go.size(), work.steps));
  if (const std::size_t shared = runs_per_process(work.to_go, jobs.count, options.runs_per_process); shared > 1)
    print_result(fmt::format("processes   {}\n", describe_processes(jobs.count, shared)));
  print_result(fmt::format("parameters  {} (first run)\n", plan.parameters));
  print_memory(plan.memory, fmt::format("{} with {} at once", format_bytes(jobs.bytes), jobs.count), available, "");
  print_result(
      fmt::format("disk        up to {} ({} free)\n", format_bytes(disk), format_bytes(free_bytes(options.directory))));
  print_remark(first, "");
  if (!work.to_go.empty()) print_times(measure_ways(first, work, jobs, available), jobs.count);
  print_result(fmt::format("power       {}\n", power_line(sweep, runs)));
  print_precision(runs);
  print_table(sweep, runs, work, options.all_runs);
  if (!jobs.problem.empty()) throw NotEnoughMemory(jobs.problem);
}

}  // namespace precipice
