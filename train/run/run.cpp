// SPDX-License-Identifier: Apache-2.0
#include "train/run/run.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <mutex>
#include <new>
#include <optional>
#include <system_error>

#include "metrics/files/directory.h"
#include "metrics/files/files.h"
#include "metrics/files/run_files.h"
#include "metrics/log/describe_device.h"
#include "metrics/log/journal.h"
#include "metrics/log/run_file.h"
#include "metrics/log/run_outcome.h"
#include "metrics/log/status_doubt.h"
#include "precision/base/processor_seconds.h"
#include "precision/base/seconds_since.h"
#include "precision/cuda/cuda_library.h"
#include "precision/quantize/device.h"
#include "train/data/open_tokens.h"
#include "train/run/checkpoint.h"
#include "train/run/longer_run.h"
#include "train/run/opened_device.h"
#include "train/run/provenance.h"
#include "train/run/run_directory.h"
#include "train/run/run_inputs.h"
#include "train/run/trainer.h"

namespace precipice {
namespace {

using Clock = std::chrono::steady_clock;
constexpr double kStatusSeconds = 2;    // between heartbeats
constexpr double kPublishSeconds = 30;  // between publications of run.h5

class RunSession {
 public:
  explicit RunSession(const RunRequest& request);
  RunStatus execute();
  std::string reason_of(const std::exception& error) const;

 private:
  void open_inputs();
  void open_directory();
  void go_on_from(const RunDirectory& shorter_run, const RunConfig& shorter);
  void go_on_from_neighbour();
  void adopt_status();
  void start_or_resume();
  void take_stock();
  void train();
  void finish_step(std::vector<SeriesRow> rows);
  void append(std::int64_t step, std::vector<SeriesRow> rows);
  void save_checkpoint();
  void publish(RunState state);
  void publish_now_and_then();
  void update_status();
  void heartbeat(bool force);
  void end(RunState state, const std::string& reason);
  RunOutcome outcome() const;
  double processor_time() const { return request_.is_alone ? processor_seconds() : thread_seconds(); }
  void mark_failed(const std::string& reason);
  void log(const std::string& line) const;
  bool stop_requested() const { return request_.stop && request_.stop->load(); }

  const RunRequest& request_;
  const ResolvedRun& resolved_ = request_.run;
  OpenedDevice device_;
  const RunConfig& config_ = resolved_.config;
  const RunDirectory run_;
  std::string config_toml_, identity_;
  std::unique_ptr<TokenSource> tokens_;
  std::vector<RunInput> inputs_;
  std::unique_ptr<Trainer> trainer_;
  std::optional<Directory> directory_;  // the run's, locked
  FileDescriptor log_;
  std::optional<JournalWriter> journal_;
  RunSeries series_;
  RunStatus status_;
  std::string doubt_;  // why the status that lay there was not believed
  double wall_before_ = 0, cpu_before_ = 0, cpu_started_ = processor_time();
  std::int64_t first_step_ = 0;
  Clock::time_point started_ = Clock::now(), last_status_ = Clock::now(), last_publish_ = Clock::now();
};

std::int64_t count_skipped(std::span<const SeriesRow> rows) {
  return std::ranges::count_if(
      rows, [](const SeriesRow& row) { return row.group == kMetricsGroup && step_record_of(row.values).skipped != 0; });
}

// Of OpenMP and ATen, for this thread, before it does anything else with ATen: who asks ATen for the first time gets what
// another thread set last. One thread at a time: in a fork libtorch makes its pool anew for the first that asks, and whoever
// asks meanwhile finds none.
void take_threads(std::int64_t threads) {
  static std::mutex one_at_a_time;
  const std::lock_guard lock(one_at_a_time);
  at::get_num_threads();
  at::set_num_threads(static_cast<int>(threads));
}

RunSession::RunSession(const RunRequest& request)
    : request_(request),
      run_(request.directory),
      config_toml_(to_toml(request.run.config)),
      identity_(run_id(request.run.config)) {}

// That a line cannot be written is no reason to stop.
void RunSession::log(const std::string& line) const {
  try {
    write_all(log_.get(), line + "\n");
  } catch (const std::system_error&) {
  }
}

void RunSession::open_inputs() {
  tokens_ = open_tokens(config_);
  inputs_ = hashed_inputs(config_, *tokens_);
  trainer_ = std::make_unique<Trainer>(resolved_, *tokens_, device_.training);  // reads init.from
  if (hashed_inputs(config_, *tokens_) != inputs_)
    throw DataError("init.from = " + config_.init.from + ": another process changed it while it was being read");
}

void RunSession::open_directory() {
  if (request_.guard) request_.guard();
  make_directories(request_.directory);
  directory_.emplace(request_.directory);
  directory_->set_guard(request_.guard);
  if (!directory_->try_lock()) throw ConfigError({request_.directory.string(), 0, "", ""}, kRunIsTaken);
  if (const std::optional<RunConfig> shorter = shorter_run_there(run_, config_)) go_on_from(run_, *shorter);
  RunDirectory::claim(*directory_, config_);
}

// The time that the shorter run took here is part of this one's.
void RunSession::go_on_from(const RunDirectory& shorter_run, const RunConfig& shorter) {
  std::optional<RunStatus> status = run_.read_status();
  continue_run(shorter_run, shorter, *directory_, config_);
  if (!status) return;
  status->run_id = identity_;
  status->state = RunState::Interrupted;
  status->steps = config_.train.steps;
  status->reason = fmt::format("train.steps was {}", shorter.train.steps);
  write_status(*directory_, *status);
}

// In a sweep, whose runs have a directory each: a run that has not begun takes the steps over that a shorter one made.
void RunSession::go_on_from_neighbour() {
  if (!run_.result().empty() || request_.shorter_lengths.empty()) return;
  const auto found = find_shorter_run(run_.path().parent_path(), config_, request_.shorter_lengths);
  if (!found) return;
  const RunDirectory there(*found);
  const RunConfig shorter = there.read_config();
  try {
    compare_inputs(*found, recorded_inputs(*found), inputs_);
    continue_run(there, shorter, *directory_, config_);
  } catch (const DataError& error) {
    return log(fmt::format("not continued from {}: {}", found->filename().string(), error.what()));
  }
  log(fmt::format("goes on from run {} of {} steps", found->filename().string(), shorter.train.steps));
}

// What an earlier invocation left, if it is this run's.
void RunSession::adopt_status() {
  const auto old = run_.read_status();
  if (!old) return;
  const std::vector<std::string> ids = run_.ids();
  doubt_ = reason_to_doubt(request_.directory, *old, ids);
  if (doubt_.empty()) status_ = *old;
  // Otherwise the steps would be taken anew, which nobody asked for.
  const bool is_own = std::ranges::find(ids, old->run_id) != ids.end();
  if (!doubt_.empty() && is_own && is_finished(old->state) && run_.checkpoint_steps().empty())
    throw DataError(
        fmt::format("{}: {}, and no checkpoint is left to go on from; put the file back, or remove {} and train from "
                    "the start",
                    request_.directory.string(), doubt_, kStatusFileName));
}

void RunSession::start_or_resume() {
  std::optional<Checkpoint> checkpoint;
  if (const auto steps = run_.checkpoint_steps(); !steps.empty())
    checkpoint = run_.load_checkpoint(steps.back(), identity_);
  const std::int64_t done = checkpoint ? checkpoint->step : 0;
  series_.groups = trainer_->groups();
  if (directory_->has(kJournalFileName)) {
    journal_ = JournalWriter::resume(*directory_, kJournalFileName, identity_, trainer_->groups(), done - 1, series_);
  } else if (checkpoint) {
    throw DataError(run_.journal().string() + ": missing although there are checkpoints");
  } else {
    journal_ = JournalWriter::create(*directory_, kJournalFileName, identity_, trainer_->groups());
  }
  if (!checkpoint) return;
  std::int64_t rows = 0;
  for (const auto& row : series_.rows) rows += row.group == kMetricsGroup;
  if (rows != done)
    throw DataError(
        fmt::format("{}: {} whole rows before the damage, but the checkpoint is at step {}; remove the "
                    "checkpoints to start this run anew",
                    run_.journal().string(), rows, done));
  trainer_->restore(*checkpoint, series_.rows);
  log(fmt::format("resumed at step {}", done));
}

// The status as the rows tell it: the one that was written may be older than they are.
void RunSession::take_stock() {
  status_.run_id = identity_;
  status_.device = device_.fields;
  status_.step = trainer_->steps_done();
  status_.divergence_step = trainer_->detector().divergence().step;
  status_.skipped_steps = count_skipped(series_.rows);
  status_.unigram_floor = tokens_->unigram_entropy();
  status_.final_loss = std::numeric_limits<double>::quiet_NaN();
  for (const SeriesRow& row : series_.rows)
    if (row.group == kMetricsGroup) status_.final_loss = step_record_of(row.values).train_loss;
}

void RunSession::append(std::int64_t step, std::vector<SeriesRow> rows) {
  directory_->check();
  journal_->append(step, rows);
  for (auto& row : rows) series_.rows.push_back(std::move(row));
}

// status.json says `running` until run.h5 lies there: a result whose file could not be written must be tried again.
void RunSession::publish(RunState state) {
  RunFileHeader header;
  header.config_toml = config_toml_;
  header.text = provenance();
  header.text["run_id"] = identity_;
  header.text["status"] = to_string(state);
  header.text["divergence_reason"] = trainer_->detector().divergence().reason;
  header.text["device"] = to_string(config_.device);
  header.text["carrier"] = carriers_of(resolved_.schedule);
  if (const std::string accumulators = accumulators_of(resolved_.schedule); !accumulators.empty())
    header.text["accumulators"] = accumulators;
  for (const DeviceField& field : kDeviceFields)
    if (const std::string& text = device_.fields.*field.text; field.in_run_file && !text.empty())
      header.text[field.key] = text;
  header.text["data_sha256"] = tokens_->sha256();
  for (const RunInput& input : inputs_)
    if (input.key == kInitInput) header.text["init_sha256"] = input.sha256;
  // The invocation differs between equal runs; what reproduces this one is its config.
  header.text["command"] = std::string("precipice train ") + kConfigFileName;
  header.integers = {{"divergence_step", trainer_->detector().divergence().step},
                     {"steps_done", trainer_->steps_done()},
                     {"skipped_steps", status_.skipped_steps},
                     {"parameters", trainer_->num_parameters()},
                     {"threads", config_.threads},
                     {"seed", config_.seed},
                     {"init_seed", *config_.init.seed},
                     {"data_seed", *config_.data.seed},
                     {"precision_seed", *config_.precision.seed}};
  header.numbers = {{"entropy_floor", tokens_->entropy_floor()}, {"unigram_floor", status_.unigram_floor}};
  publish_run_file(*directory_, build_run_file(series_, header), status_);
}

// While a run goes on, a full disk costs only the look at it: the old run.h5 stays and the next publication tries
// again.
void RunSession::publish_now_and_then() {
  if (seconds_since(last_publish_) < kPublishSeconds) return;
  last_publish_ = Clock::now();
  try {
    publish(RunState::Running);
  } catch (const OutputError& error) {
    log(std::string("not published: ") + error.what());
  }
}

void RunSession::save_checkpoint() {
  journal_->sync();
  write_checkpoint_into(directory_->folder(kCheckpointFolder), trainer_->checkpoint(identity_),
                        config_.train.keep_checkpoints);
  malloc_trim(0);  // the copies go back to the system, or they would be held beside what training takes
}

void RunSession::update_status() {
  stamp(status_);
  status_.step = trainer_->steps_done();
  status_.wall_seconds = wall_before_ + seconds_since(started_);
  status_.cpu_seconds = cpu_before_ + processor_time() - cpu_started_;
  const double here = static_cast<double>(status_.step - first_step_);
  status_.steps_per_second = here / std::max(seconds_since(started_), 1e-9);
  last_status_ = Clock::now();
}

void RunSession::heartbeat(bool force) {
  if (!force && seconds_since(last_status_) < kStatusSeconds) return;
  update_status();
  write_status(*directory_, status_);
}

// Of a run that went through all its steps, evaluated after the last.
RunOutcome RunSession::outcome() const {
  const auto final_loss = [this] {
    if (tokens_->validation_batches() > 0) return series_.rows.back().values[kValidationLoss];
    std::vector<double> losses;
    for (const SeriesRow& row : series_.rows)
      if (row.group == kMetricsGroup) losses.push_back(step_record_of(row.values).train_loss);
    return final_training_loss(losses);
  };
  return outcome_of({config_.train.steps, status_.skipped_steps, final_loss(), status_.unigram_floor});
}

void RunSession::end(RunState state, const std::string& reason) {
  publish(state);
  status_.state = state;
  status_.reason = reason;
  status_.exit_code = 0;
  heartbeat(true);
  log(fmt::format("{} at step {}{}", to_string(state), status_.step, reason.empty() ? "" : ": " + reason));
}

// The error is on its way to the user: that it cannot be written down as well is no news.
void RunSession::mark_failed(const std::string& reason) {
  status_.state = RunState::Failed;
  status_.reason = reason;
  status_.step = trainer_->steps_done();
  try {
    write_status(*directory_, status_);
  } catch (const OutputError&) {
  }
}

std::string RunSession::reason_of(const std::exception& error) const {
  return is_out_of_device_memory(error) ? out_of_device_memory(resolved_, device_) : error.what();
}

void RunSession::finish_step(std::vector<SeriesRow> rows) {
  const std::int64_t step = trainer_->steps_done() - 1;
  status_.final_loss = step_record_of(rows.front().values).train_loss;
  status_.skipped_steps += count_skipped(rows);
  append(step, std::move(rows));
  const std::int64_t done = trainer_->steps_done(), every = config_.train.checkpoint_every;
  const bool is_kept = std::ranges::find(config_.train.keep_checkpoints, done) != config_.train.keep_checkpoints.end();
  if (((every > 0 && done % every == 0) || is_kept) && done < config_.train.steps) save_checkpoint();
  publish_now_and_then();
  heartbeat(false);
  if (request_.progress) request_.progress({done, config_.train.steps, status_.final_loss, status_.steps_per_second});
}

void RunSession::train() {
  const DivergenceDetector& detector = trainer_->detector();
  const auto ended = [&] { return detector.divergence() && config_.divergence.stop; };
  while (trainer_->steps_done() < config_.train.steps && !ended()) {
    if (stop_requested()) {
      save_checkpoint();
      return end(RunState::Interrupted, "signal");
    }
    finish_step(trainer_->step());
    if (const auto note = trainer_->take_note()) log(*note);
  }
  if (!ended()) append(trainer_->steps_done(), {trainer_->evaluate()});
  save_checkpoint();
  const Divergence& divergence = detector.divergence();
  status_.divergence_step = divergence.step;
  if (divergence) return end(RunState::Diverged, divergence.reason);
  const RunOutcome reached = outcome();
  end(reached.state, reached.reason);
}

RunStatus RunSession::execute() {
  take_threads(config_.threads);
  // Everything that can be refused is refused before anything is written.
  device_ = request_.device != nullptr ? *request_.device : open_training_device(resolved_);
  const bool may_capture =
      request_.device == nullptr && !device_.training.device.is_cpu() && request_.graphs != GraphUse::Never;
  if (may_capture) device_.training.graphs = request_.graphs;
  // The default stream cannot be captured.
  if (!request_.is_alone || may_capture) set_up_thread(device_.training.device);
  // A finished run needs no trainer, which reads init.from.
  const auto old = std::filesystem::exists(request_.directory) ? run_.read_status() : std::nullopt;
  if (!old || !is_finished(old->state) || shorter_run_there(run_, config_)) open_inputs();
  open_directory();
  adopt_status();
  if (is_finished(status_.state)) {
    check_inputs(request_.directory, config_);
    return status_;
  }
  if (!trainer_) open_inputs();

  // What a kill in the middle of a publication or a checkpoint left behind.
  directory_->remove_stale_temporaries();
  if (directory_->has(kCheckpointFolder)) directory_->folder(kCheckpointFolder).remove_stale_temporaries();
  log_ = directory_->open_log(kLogFileName);
  if (!doubt_.empty()) log("status.json was not believed: " + doubt_);
  if (!claim_inputs(*directory_, inputs_)) log("begun without hashes of its input files: not checked");
  go_on_from_neighbour();
  start_or_resume();
  take_stock();
  wall_before_ = status_.wall_seconds;
  cpu_before_ = status_.cpu_seconds;
  first_step_ = trainer_->steps_done();
  status_.state = RunState::Running;
  status_.steps = config_.train.steps;
  status_.invocation = request_.invocation;
  status_.reason.clear();
  status_.exit_code = -1;
  update_status();
  log(fmt::format("precipice {} ({}), run {}, {} parameters, {} thread(s)", program_version(), program_commit(),
                  identity_, trainer_->num_parameters(), config_.threads));
  if (!device_.fields.device.empty()) log(describe(device_.fields));
  for (const std::string& file : request_.included) log("settings included from " + file);
  try {
    publish(RunState::Running);  // a look at it is possible from the first second
    train();
  } catch (const std::bad_alloc&) {
    mark_failed("out of memory");
    throw;
  } catch (const std::exception& error) {
    mark_failed(reason_of(error));
    throw;
  }
  return status_;
}

}  // namespace

RunStatus execute_run(const RunRequest& request) {
  RunSession session(request);
  try {
    return session.execute();
  } catch (const std::exception& error) {
    if (is_out_of_device_memory(error)) throw OutOfDeviceMemory(session.reason_of(error));
    throw;
  }
}

}  // namespace precipice
