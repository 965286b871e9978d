// SPDX-License-Identifier: Apache-2.0
#include "experiments/sweep/sweep_session.h"

#include <fmt/format.h>

#include <algorithm>

#include "experiments/console/console.h"
#include "metrics/log/files.h"
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
  scheduler.work = [this](const Job& job) { return options_.train(*by_id_.at(job.id), job.directory); };
  scheduler.workers = options_.workers;
  scheduler.fail_fast = options_.fail_fast;
  scheduler.stop = options_.stop;
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
  for (const SweepRun& run : runs_) ++summary_.states[observe_run(directory_of(run.id), run.id).state];
  return summary_;
}

std::vector<Job> SweepSession::prepare_jobs() {
  std::vector<Job> jobs;
  for (const SweepRun& run : runs_) {
    const RunStatus status = observe_run(directory_of(run.id), run.id);
    ++progress_.total;
    count_finished(status.state, progress_);
    if (!is_selected(status.state, options_.selection)) continue;
    RunDirectory(directory_of(run.id)).claim(run.config);
    jobs.push_back({run.id, directory_of(run.id)});
    steps_total_ += run.config.train.steps;
    steps_done_[run.id] = status.step;
  }
  // The shorter ones first: a longer run may go on from one of them (train/run/longer_run.h).
  std::ranges::stable_sort(jobs, {}, [this](const Job& job) { return by_id_.at(job.id)->config.train.steps; });
  return jobs;
}

// Another launcher may have come first: with the same sweep, started twice, or with one that shares runs with it.
JobTurn SweepSession::turn_of(const Job& job) {
  const RunStatus status = observe_run(job.directory, job.id);
  if (is_finished(status.state)) return JobTurn::Skip;
  if (status.state != RunState::Running) {
    log_size_[job.id] = log_text(job.directory).size();
    return JobTurn::Start;
  }
  if (waited_for_.insert(job.id).second)
    printer_.note(line_of(job, fmt::format("process {} on {} is training it: waiting", status.pid, status.host)));
  return JobTurn::Wait;
}

// In the moment between turn_of and the worker's lock of the directory, another process may have got it. The worker
// says so in what it has added to the log, in which the other process writes, too.
bool SweepSession::was_taken(const Job& job, const WorkerEnd& end) const {
  if (end.killed || end.code != kRefused) return false;
  const std::string log = log_text(job.directory);
  const std::size_t start = log_size_.at(job.id);
  return start <= log.size() && log.find(kRunIsTaken, start) != std::string::npos;
}

void SweepSession::on_skipped(const Job& job) {
  const RunStatus status = observe_run(job.directory, job.id);
  count_steps(job, status);
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
  if (end.failed()) record_failure(job.directory, job.id, end);
  const RunStatus status = observe_run(job.directory, job.id);
  count_steps(job, status);
  if (end.failed()) {
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

void SweepSession::on_tick(const std::vector<Job>& running) {
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
