// SPDX-License-Identifier: Apache-2.0
#include "experiments/sweep/jobs.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <map>

#include "experiments/console/progress.h"
#include "experiments/sweep/plan.h"
#include "train/data/open_tokens.h"

namespace precipice {
namespace {

// Whether the runs' processes share the stream of tokens, which is read before they are forked (keep_tokens()).
bool share_data(const DataConfig& a, const DataConfig& b) {
  return has_stream(a.source) && a.source == b.source && a.path == b.path && a.tokens == b.tokens &&
         a.vocabulary == b.vocabulary && a.language_seed == b.language_seed;
}

struct Need {
  double bytes = 0;
  const SweepRun* run = nullptr;
};

// By memory, the largest first; without data that the first run's process has read for all.
std::vector<Need> needs_of(const std::vector<const SweepRun*>& runs) {
  std::map<std::string, double> known;
  std::vector<Need> needs;
  for (const SweepRun* run : runs) {
    const auto [place, is_new] = known.try_emplace(size_key(run->config));
    if (is_new) {
      place->second = estimate_memory(run->config, library_bytes()).bytes();
      if (share_data(run->config.data, runs.front()->config.data)) place->second -= data_bytes(run->config.data);
    }
    needs.push_back({place->second, run});
  }
  std::stable_sort(needs.begin(), needs.end(), [](const Need& a, const Need& b) { return a.bytes > b.bytes; });
  return needs;
}

}  // namespace

std::int64_t usable_cores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  return sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : 1;
}

Jobs plan_jobs(const std::vector<const SweepRun*>& runs, std::size_t asked, const AvailableMemory& available,
               std::size_t gpu_room) {
  Jobs jobs;
  if (runs.empty()) return jobs;
  std::int64_t threads = 1;
  for (const SweepRun* run : runs) threads = std::max(threads, run->config.threads);
  const std::vector<Need> needs = needs_of(runs);
  const auto by_cores = static_cast<std::size_t>(std::max<std::int64_t>(1, usable_cores() / threads));
  // What this process holds already is not taken again.
  const DataConfig& data = runs.front()->config.data;
  double sum = share_data(data, data) ? data_bytes(data) : 0;
  std::vector<double> sums;
  for (const Need& need : needs) sums.push_back(sum += need.bytes - library_bytes());
  const auto first_too_many = std::find_if(sums.begin(), sums.end(), [&](double s) { return s > available.bytes; });
  jobs.fitting = static_cast<std::size_t>(std::max<std::ptrdiff_t>(1, first_too_many - sums.begin()));
  jobs.count = std::min(asked > 0 ? asked : std::min({by_cores, jobs.fitting, gpu_room}), runs.size());
  jobs.bytes = library_bytes() + sums[jobs.count - 1];
  jobs.problem = memory_problem(needs.front().run->config, available);
  if (!jobs.problem.empty())
    jobs.problem = fmt::format("run {}: {}", needs.front().run->id, jobs.problem);
  else if (jobs.fitting < jobs.count)
    jobs.problem = fmt::format(
        "not enough memory: {} jobs at once need about {} and {} are there ({}); too large: "
        "`jobs` {} (up to {} fits)",
        jobs.count, format_bytes(jobs.bytes), format_bytes(available.bytes), available.source, asked, jobs.fitting);
  return jobs;
}

Jobs plan_jobs_here(const std::vector<const SweepRun*>& runs, std::size_t asked, const AvailableMemory& available) {
  std::vector<const RunConfig*> configs;
  for (const SweepRun* run : runs) configs.push_back(&run->config);
  return plan_jobs(runs, asked, available, runs_fitting_gpu(configs));
}

std::size_t runs_per_process(const std::vector<const SweepRun*>& runs, std::size_t at_once, std::size_t asked) {
  if (asked > 0) return asked;
  const bool on_gpu =
      std::ranges::any_of(runs, [](const SweepRun* run) { return run->config.device == DeviceKind::Cuda; });
  if (!on_gpu) return 1;
  const std::size_t processes = (at_once + kMostRunsPerProcess - 1) / kMostRunsPerProcess;
  return (at_once + processes - 1) / processes;
}

std::string describe_processes(std::size_t at_once, std::size_t per_process) {
  const std::size_t processes = (at_once + per_process - 1) / per_process;
  const std::string where = per_process == 1 ? "a process each"
                            : processes == 1 ? "one process"
                                             : fmt::format("{} processes", processes);
  return fmt::format("{} run{} at once, in {}", at_once, at_once == 1 ? "" : "s", where);
}

}  // namespace precipice
