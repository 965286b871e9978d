// SPDX-License-Identifier: Apache-2.0
#include "experiments/sweep_session.h"

#include <fmt/format.h>

#include "experiments/console.h"

namespace precipice {
namespace {

void count_finished(RunState state, SweepProgress& progress) {
  progress.finished += is_finished(state);
  progress.diverged += state == RunState::Diverged;
  progress.untrained += state == RunState::Untrained;
  progress.skipped += state == RunState::Skipped;
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
  scheduler.command = [this](const Job& job) {
    std::vector<std::string> command = options_.worker;
    for (const std::string& word : {std::string("train"), (job.directory / kConfigFileName).string(),
                                    std::string("--out"), job.directory.string(), std::string("--quiet")})
      command.push_back(word);
    return command;
  };
  scheduler.in_fork = options_.in_fork;
  scheduler.workers = options_.workers;
  scheduler.fail_fast = options_.fail_fast;
  scheduler.stop = options_.stop;
  scheduler.finished = [this](const Job& job, const WorkerEnd& end) { on_finished(job, end); };
  scheduler.restarted = [this](const Job& job, const WorkerEnd& end) {
    printer_.note(fmt::format("{}  {}; starting it once more", job.id, describe(end)));
  };
  scheduler.tick = [this](const std::vector<Job>& running) { on_tick(running); };
  run_jobs(jobs, scheduler);
  printer_.close();
  for (const SweepRun& run : runs_) ++summary_.states[observe_run(directory_of(run.id)).state];
  return summary_;
}

std::vector<Job> SweepSession::prepare_jobs() {
  std::vector<Job> jobs;
  for (const SweepRun& run : runs_) {
    const RunStatus status = observe_run(directory_of(run.id));
    ++progress_.total;
    count_finished(status.state, progress_);
    if (!is_selected(status.state, options_.selection)) continue;
    prepare_run(directory_of(run.id), run.config);
    jobs.push_back({run.id, directory_of(run.id)});
    steps_total_ += run.config.train.steps;
    steps_done_[run.id] = status.step;
  }
  return jobs;
}

void SweepSession::on_finished(const Job& job, const WorkerEnd& end) {
  if (end.failed()) record_failure(job.directory, end);
  const RunStatus status = observe_run(job.directory);
  // Steps that will not be taken are no work done: they must not raise the rate.
  steps_total_ -= by_id_.at(job.id)->config.train.steps - status.step;
  steps_done_[job.id] = status.step;
  if (end.failed()) {
    ++summary_.failed;
    ++progress_.failed;
  } else if (end.interrupted()) {
    ++summary_.interrupted;
  } else {
    count_finished(status.state, progress_);
  }
  std::string values;
  for (const AxisValue& value : by_id_.at(job.id)->values) values += "  " + to_text(value);
  // On a terminal the counts say what went well; a failure is worth a line that stays.
  if (end.failed() || !printer_.terminal()) printer_.note(job.id + values + "  " + describe(status));
}

void SweepSession::on_tick(const std::vector<Job>& running) {
  const double now = monotonic_seconds();
  if (!printer_.due(now)) return;
  for (const Job& job : running) {
    const std::int64_t step = observe_run(job.directory).step;
    steps_done_[job.id] = std::max(steps_done_[job.id], step);
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
