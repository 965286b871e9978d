// SPDX-License-Identifier: Apache-2.0
#include "experiments/sweep/sweep_session.h"

#include <fmt/format.h>

#include <algorithm>

#include "experiments/console/console.h"
#include "metrics/files/files.h"
#include "precision/base/check.h"
#include "train/run/run.h"

namespace precipice {
namespace {

void count_finished(RunState state, SweepProgress& progress) {
  progress.finished += is_finished(state);
  progress.diverged += state == RunState::Diverged;
  progress.untrained += state == RunState::Untrained;
  progress.skipped += state == RunState::Skipped;
}

constexpr int kRefused = 2;  // exit code of a worker that refuses its run
constexpr std::uint64_t kMaxLogBytes = 64 << 20;

// "" where there is none.
std::string log_text(const std::filesystem::path& directory) {
  try {
    return read_file(RunDirectory(directory).log_file(), kMaxLogBytes);
  } catch (const DataError&) {
    return "";
  }
}

}  // namespace

bool is_selected(RunState state, RunSelection selection) {
  if (is_finished(state)) return false;
  if (selection == RunSelection::Unfinished) return true;
  return (state == RunState::Failed) == (selection == RunSelection::Failed);
}

std::string describe(const std::map<RunState, std::size_t>& states) {
  std::string text;
  std::size_t total = 0;
  for (const auto& [state, count] : states) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, to_string(state));
    total += count;
  }
  return fmt::format("{} run{}: {}", total, total == 1 ? "" : "s", text);
}

SweepSession::SweepSession(const std::vector<SweepRun>& runs, Options options, ProgressPrinter& printer)
    : runs_(runs), options_(std::move(options)), printer_(printer) {
  for (const SweepRun& run : runs_) by_id_[run.id] = &run;
}

SweepSummary SweepSession::run() {
  const std::vector<Job> jobs = prepare_jobs();
  SchedulerOptions scheduler;
  scheduler.work = [this](const Job& job) { return options_.train(*by_id_.at(job.id), job); };
  scheduler.workers = options_.workers;
  scheduler.jobs_per_process = options_.runs_per_process;
  if (options_.shared) scheduler.claim_of = [this](const Job& job) { return options_.shared->claim_number(job.id); };
  scheduler.fail_fast = options_.fail_fast;
  scheduler.stop = &stop_;
  scheduler.turn = [this](const Job& job) { return turn_of(job); };
  scheduler.was_taken = [this](const Job& job, const WorkerEnd& end) { return was_taken(job, end); };
  scheduler.skipped = [this](const Job& job) { on_skipped(job); };
  scheduler.refused = [this](std::size_t running, const std::string& why) {
    printer_.note(fmt::format("the system starts no further process ({}); going on with {} at once", why, running));
  };
  scheduler.finished = [this](const Job& job, const WorkerEnd& end) { on_finished(job, end); };
  scheduler.restarted = [this](const Job& job, const WorkerEnd& end) {
    printer_.note(fmt::format("{}  {}; starting it once more", job.id, describe(end)));
  };
  scheduler.tick = [this](const std::vector<Job>& running) { on_tick(running); };
  run_jobs(jobs, scheduler);
  printer_.close();
  for (const SweepRun& run : runs_) {
    const RunState state = observe_run(directory_of(run.id), run.id).state;
    ++summary_.states[state];
    if (options_.shared && is_finished(state)) options_.shared->finish(run.id);
  }
  for (const std::string& id : left_for_later_) summary_.left += !is_finished(observe_run(directory_of(id), id).state);
  const bool is_over = options_.budget && budget_left() <= 0 && !(options_.stop && *options_.stop);
  const bool more = std::ranges::any_of(
      summary_.states, [](const auto& entry) { return !is_finished(entry.first) && entry.first != RunState::Failed; });
  summary_.budget_used = summary_.left > 0 || (is_over && more);
  return summary_;
}

std::vector<Job> SweepSession::prepare_jobs() {
  std::vector<Job> jobs;
  const bool is_shard = options_.shared && options_.shared->is_shard();
  for (const SweepRun& run : runs_) {
    const std::filesystem::path directory = directory_of(run.id);
    const RunStatus status = observe_run(directory, run.id);
    ++progress_.total;
    count_finished(status.state, progress_);
    if (options_.budget) costs_.add(run.config, status);
    if (!is_selected(status.state, options_.selection)) continue;
    // A shard makes the directories of runs that it takes, not those of all that there are.
    std::error_code error;
    if (!is_shard || RunDirectory(directory).has_config()) RunDirectory(directory).claim(run.config);
    if (status.state == RunState::Failed)
      failed_before_[run.id] = std::filesystem::last_write_time(RunDirectory(directory).status_file(), error);
    jobs.push_back({run.id, directory});
    steps_total_ += run.config.train.steps;
    steps_done_[run.id] = status.step;
  }
  // The shorter ones first: a longer run may go on from one of them (train/run/longer_run.h).
  std::ranges::stable_sort(jobs, {}, [this](const Job& job) { return by_id_.at(job.id)->config.train.steps; });
  order_jobs(jobs);
  return jobs;
}

// The own share, then that of the others from its end, which they reach last.
void SweepSession::order_jobs(std::vector<Job>& jobs) const {
  if (!options_.shared) return;
  const auto others = std::stable_partition(jobs.begin(), jobs.end(),
                                            [this](const Job& job) { return options_.shared->is_own(job.id); });
  std::reverse(others, jobs.end());
}

// Another launcher may have come first: with the same sweep, started twice, or with one that shares runs with it.
JobTurn SweepSession::turn_of(const Job& job) {
  const RunStatus status = observe_run(job.directory, job.id);
  if (options_.shared) options_.shared->renew();  // looking at many runs takes its time
  if (is_finished(status.state)) {
    if (options_.shared) options_.shared->finish(job.id);
    return JobTurn::Skip;
  }
  if (failed_elsewhere(job, status)) return JobTurn::Skip;
  const RunConfig& config = by_id_.at(job.id)->config;
  if (options_.budget &&
      !is_worth_starting(costs_.seconds(config, config.train.steps - status.step), budget_left(), *options_.budget)) {
    if (options_.shared) options_.shared->give_back(job.id);
    left_for_later_.insert(job.id);
    return JobTurn::Skip;
  }
  if (options_.shared) return claimed_turn(job, status);
  if (status.state != RunState::Running) return start_turn(job);
  return wait_turn(job, fmt::format("process {} on {}", status.pid, status.host));
}

// `seen`: before the claim was taken. What the holder of a claim says of itself counts; a status said to be running where
// nobody ever had a claim is that of a process without one, and so is one of a process of this host that is there.
JobTurn SweepSession::claimed_turn(const Job& job, const RunStatus& seen) {
  SharedRuns& shared = *options_.shared;
  const bool had_it = shared.holds(job.id);
  SharedRuns::Taking taking = SharedRuns::Taking::Taken;
  try {
    taking = shared.take(job.id);
  } catch (const OutputError&) {
    if (shared.is_shard()) throw;
    return start_turn(job);  // which fails by itself where the directory is gone
  }
  if (taking == SharedRuns::Taking::Held) return wait_turn(job, shared.holder_text(job.id));
  if (taking == SharedRuns::Taking::Retaken)
    printer_.note(line_of(job, fmt::format("taken over at step {} from a process that is gone or silent", seen.step)));
  const RunStatus status = observe_run(job.directory, job.id);
  if (is_finished(status.state)) {
    shared.finish(job.id);
    return JobTurn::Skip;
  }
  const bool is_here = status.host == host_name();
  if (status.state == RunState::Running && (is_here || (taking == SharedRuns::Taking::Taken && !had_it))) {
    if (!is_here) shared.give_back(job.id);
    return wait_turn(job, fmt::format("process {} on {}", status.pid, status.host));
  }
  RunDirectory(job.directory).claim(by_id_.at(job.id)->config);
  return start_turn(job);
}

JobTurn SweepSession::start_turn(const Job& job) {
  log_size_[job.id] = log_text(job.directory).size();
  return JobTurn::Start;
}

JobTurn SweepSession::wait_turn(const Job& job, const std::string& for_whom) {
  if (waited_for_.insert(job.id).second && !(options_.shared && options_.shared->is_shard()))
    printer_.note(line_of(job, fmt::format("{} is training it: waiting", for_whom)));
  return JobTurn::Wait;
}

// In another shard, since this session began: it would fail here as well.
bool SweepSession::failed_elsewhere(const Job& job, const RunStatus& status) const {
  if (!options_.shared || !options_.shared->is_shard() || status.state != RunState::Failed ||
      options_.shared->holds(job.id))
    return false;
  std::error_code error;
  const auto written = std::filesystem::last_write_time(RunDirectory(job.directory).status_file(), error);
  const auto before = failed_before_.find(job.id);
  return !error && (before == failed_before_.end() || before->second != written);
}

// In the moment between turn_of and the worker's lock of the directory, another process may have got it. The worker
// says so in what it has added to the log, in which the other process writes, too. And a process that was silent for too
// long has lost its run.
bool SweepSession::was_taken(const Job& job, const WorkerEnd& end) {
  if (options_.shared && options_.shared->is_lost(job.id)) {
    options_.shared->drop(job.id);
    printer_.note(line_of(job, "another shard has taken it over, since this one was silent for too long"));
    return true;
  }
  if (end.killed || end.code != kRefused) return false;
  const std::string log = log_text(job.directory);
  const std::size_t start = log_size_.at(job.id);
  return start <= log.size() && log.find(kRunIsTaken, start) != std::string::npos;
}

void SweepSession::on_skipped(const Job& job) {
  const RunStatus status = observe_run(job.directory, job.id);
  count_steps(job, status);
  if (left_for_later_.contains(job.id)) return;
  if (options_.budget) costs_.add(by_id_.at(job.id)->config, status);
  if (status.state == RunState::Failed) {
    ++summary_.failed;
    ++progress_.failed;
    return;
  }
  ++progress_.finished;
  if (status.state == RunState::Diverged) ++progress_.diverged;
  printer_.note(line_of(job, describe(status) + "  (by another process)"));
  if (options_.ended && is_finished(status.state)) options_.ended(job.id);
}

// Steps that will not be taken are no work done: they must not raise the rate.
void SweepSession::count_steps(const Job& job, const RunStatus& status) {
  steps_total_ -= by_id_.at(job.id)->config.train.steps - status.step;
  steps_done_[job.id] = status.step;
}

std::string SweepSession::line_of(const Job& job, const std::string& what) const {
  std::string line = job.id;
  for (const std::string& value : by_id_.at(job.id)->shown) line += "  " + value;
  return line + "  " + what;
}

void SweepSession::on_finished(const Job& job, const WorkerEnd& end) {
  const bool is_lost = options_.shared && options_.shared->is_lost(job.id);
  if (end.failed() && !is_lost) record_failure(job.directory, job.id, end);
  const RunStatus status = observe_run(job.directory, job.id);
  count_steps(job, status);
  if (options_.budget) costs_.add(by_id_.at(job.id)->config, status);
  if (options_.shared) {
    ShardFile& own = options_.shared->own_file();
    own.finished += is_finished(status.state), own.failed += end.failed() && !is_lost;
    is_finished(status.state) ? options_.shared->finish(job.id) : options_.shared->give_back(job.id);
  }
  if (is_lost) {
    ++summary_.interrupted;
  } else if (end.failed()) {
    ++summary_.failed;
    ++progress_.failed;
  } else if (end.interrupted()) {
    ++summary_.interrupted;
  } else {
    count_finished(status.state, progress_);
  }
  printer_.note(line_of(job, describe(status)));
  if (options_.ended && is_finished(status.state)) options_.ended(job.id);
}

// What `precipice status` shows of this process. The steps are those that its runs have made while it looked on.
void SweepSession::tell_others(const std::vector<Job>& running) {
  ShardFile& own = options_.shared->own_file();
  own.jobs = static_cast<std::int64_t>(options_.workers);
  own.running.clear();
  for (const Job& job : running) own.running.push_back(job.id);
  own.seconds_left = options_.budget ? static_cast<std::int64_t>(std::max(0.0, budget_left())) : -1;
  options_.shared->renew();
}

void SweepSession::on_tick(const std::vector<Job>& running) {
  if ((options_.stop && *options_.stop) || (options_.budget && budget_left() <= 0)) stop_ = true;
  if (options_.shared) tell_others(running);
  const double now = monotonic_seconds();
  if (!printer_.due(now)) return;
  progress_.losses.clear();
  for (const Job& job : running) {
    const RunStatus status = observe_run(job.directory, job.id);
    steps_done_[job.id] = std::max(steps_done_[job.id], status.step);
    if (status.step > 0) progress_.losses.push_back(status.final_loss);
  }
  std::int64_t done = 0;
  for (const auto& [id, steps] : steps_done_) done += steps;
  rate_.observe(now, done);
  progress_.running = running.size();
  progress_.steps_per_second = rate_.per_second();
  progress_.steps_left = steps_total_ - done;
  printer_.show(progress_text(progress_), now);
}

}  // namespace precipice
