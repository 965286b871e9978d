// SPDX-License-Identifier: Apache-2.0
#include "train/run.h"

#include <ATen/Parallel.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <malloc.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <new>
#include <optional>

#include "metrics/files.h"
#include "metrics/journal.h"
#include "metrics/run_file.h"
#include "metrics/run_outcome.h"
#include "precision/device.h"
#include "train/checkpoint.h"
#include "train/config_difference.h"
#include "train/provenance.h"
#include "train/recipes.h"
#include "train/run_inputs.h"
#include "train/trainer.h"

namespace precipice {
namespace {

using Clock = std::chrono::steady_clock;
constexpr double kStatusSeconds = 2;    // between heartbeats
constexpr double kPublishSeconds = 30;  // between publications of run.h5

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Holds the directory for this process: two launchers must not run the same run.
class DirectoryLock {
 public:
  explicit DirectoryLock(const std::filesystem::path& directory)
      : descriptor_(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    if (descriptor_ < 0) throw OutputError(directory.string() + ": cannot open the run directory");
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
      ::close(descriptor_);
      throw ConfigError({directory.string(), 0, "", ""}, "another process is running this run");
    }
  }
  ~DirectoryLock() { ::close(descriptor_); }
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

 private:
  int descriptor_;
};

// The directory's config.toml, written on first use; another run's directory is left alone.
void claim_directory(const std::filesystem::path& directory, const RunConfig& config) {
  const auto path = directory / "config.toml";
  if (!std::filesystem::exists(path)) {
    for (const char* name : {"metrics.jnl", kRunFileName, "ckpt"})
      if (std::filesystem::exists(std::filesystem::symlink_status(directory / name)))
        throw ConfigError({directory.string(), 0, "", ""},
                          fmt::format("holds {} but no config.toml; choose another --out", name));
    return write_file_atomic(path, to_toml(config));
  }
  check_same_config(path, config);
}

class RunSession {
 public:
  explicit RunSession(const RunRequest& request);
  RunStatus execute();

 private:
  void open_inputs();
  void start_or_resume();
  void train();
  void finish_step(std::vector<SeriesRow> rows);
  void append(std::int64_t step, std::vector<SeriesRow> rows);
  void save_checkpoint();
  void publish(RunState state);
  void publish_now_and_then();
  void heartbeat(bool force);
  void end(RunState state, const std::string& reason);
  RunOutcome outcome() const;
  void mark_failed(const std::string& reason);
  void log(const std::string& line) const;
  bool stop_requested() const { return request_.stop && request_.stop->load(); }

  const RunRequest& request_;
  const RunConfig& config_;
  std::string config_toml_, identity_;
  std::unique_ptr<TokenSource> tokens_;
  std::vector<RunInput> inputs_;
  std::unique_ptr<Trainer> trainer_;
  std::optional<JournalWriter> journal_;
  RunSeries series_;
  RunStatus status_;
  double wall_before_ = 0;
  std::int64_t first_step_ = 0;
  Clock::time_point started_ = Clock::now(), last_status_ = Clock::now(), last_publish_ = Clock::now();
};

std::int64_t count_skipped(std::span<const SeriesRow> rows) {
  return std::ranges::count_if(
      rows, [](const SeriesRow& row) { return row.group == kMetricsGroup && step_record_of(row.values).skipped != 0; });
}

RunSession::RunSession(const RunRequest& request)
    : request_(request),
      config_(request.config),
      config_toml_(to_toml(request.config)),
      identity_(run_id(request.config)) {}

void RunSession::log(const std::string& line) const {
  std::ofstream(request_.directory / "log.txt", std::ios::app) << line << '\n';
}

void RunSession::start_or_resume() {
  const auto checkpoints = request_.directory / "ckpt";
  const auto journal_path = request_.directory / "metrics.jnl";
  std::optional<Checkpoint> checkpoint;
  if (const auto steps = checkpoint_steps(checkpoints); !steps.empty())
    checkpoint = read_checkpoint(checkpoint_path(checkpoints, steps.back()), identity_);
  const std::int64_t done = checkpoint ? checkpoint->step : 0;
  series_.groups = trainer_->groups();
  if (std::filesystem::exists(journal_path)) {
    journal_ = JournalWriter::resume(journal_path, identity_, trainer_->groups(), done - 1, series_);
  } else if (checkpoint) {
    throw DataError(journal_path.string() + ": missing although there are checkpoints");
  } else {
    journal_ = JournalWriter::create(journal_path, identity_, trainer_->groups());
  }
  if (!checkpoint) return;
  std::int64_t rows = 0;
  for (const auto& row : series_.rows) rows += row.group == kMetricsGroup;
  if (rows != done)
    throw DataError(
        fmt::format("{}: {} whole rows before the damage, but the checkpoint is at step {}; remove the "
                    "checkpoints to start this run anew",
                    journal_path.string(), rows, done));
  trainer_->restore(*checkpoint, series_.rows);
  log(fmt::format("resumed at step {}", done));
}

void RunSession::append(std::int64_t step, std::vector<SeriesRow> rows) {
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
  header.text["device"] = config_.device;
  header.text["carrier"] = carriers_of(make_schedule(config_.precision, config_.model, config_.train.steps));
  header.text["data_sha256"] = tokens_->sha256();
  for (const RunInput& input : inputs_)
    if (input.key == kInitInput) header.text["init_sha256"] = input.sha256;
  // The invocation differs between equal runs; what reproduces this one is its config.
  header.text["command"] = "precipice train config.toml";
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
  publish_run_file(request_.directory, build_run_file(series_, header), status_);
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
  write_checkpoint(request_.directory / "ckpt", trainer_->checkpoint(identity_));
  malloc_trim(0);  // the copies go back to the system, or they would be held beside what training takes
}

void RunSession::heartbeat(bool force) {
  if (!force && seconds_since(last_status_) < kStatusSeconds) return;
  stamp(status_);
  status_.step = trainer_->steps_done();
  status_.wall_seconds = wall_before_ + seconds_since(started_);
  const double here = static_cast<double>(status_.step - first_step_);
  status_.steps_per_second = here / std::max(seconds_since(started_), 1e-9);
  write_status(request_.directory / kStatusFileName, status_);
  last_status_ = Clock::now();
}

// Of a run that went through all its steps, evaluated after the last.
RunOutcome RunSession::outcome() const {
  const auto final_loss = [this] {
    if (tokens_->validation_batches() > 0) return series_.rows.back().values[0];
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
    write_status(request_.directory / kStatusFileName, status_);
  } catch (const OutputError&) {
  }
}

void RunSession::finish_step(std::vector<SeriesRow> rows) {
  const std::int64_t step = trainer_->steps_done() - 1;
  status_.final_loss = rows.front().values[0];  // train_loss
  status_.skipped_steps += count_skipped(rows);
  append(step, std::move(rows));
  const std::int64_t done = trainer_->steps_done(), every = config_.train.checkpoint_every;
  if (every > 0 && done % every == 0 && done < config_.train.steps) save_checkpoint();
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
  }
  if (!ended()) append(trainer_->steps_done(), {trainer_->evaluate()});
  save_checkpoint();
  const Divergence& divergence = detector.divergence();
  status_.divergence_step = divergence.step;
  if (divergence) return end(RunState::Diverged, divergence.reason);
  const RunOutcome reached = outcome();
  end(reached.state, reached.reason);
}

void RunSession::open_inputs() {
  tokens_ = open_tokens(config_);
  inputs_ = hashed_inputs(config_, *tokens_);
  trainer_ = std::make_unique<Trainer>(config_, *tokens_);  // reads init.from
  if (hashed_inputs(config_, *tokens_) != inputs_)
    throw DataError("init.from = " + config_.init.from + ": another process changed it while it was being read");
}

RunStatus RunSession::execute() {
  // Everything that can be refused is refused before anything is written.
  require_training_device(config_.device);
  at::set_num_threads(static_cast<int>(config_.threads));
  if (const auto old = std::filesystem::exists(request_.directory) ? read_status(request_.directory / kStatusFileName)
                                                                   : std::nullopt)
    status_ = *old;
  const bool finished = is_finished(status_.state);
  if (!finished) open_inputs();
  make_directories(request_.directory);
  const DirectoryLock lock(request_.directory);
  claim_directory(request_.directory, config_);
  if (finished) {
    check_inputs(request_.directory, config_);
    return status_;
  }
  if (!claim_inputs(request_.directory, inputs_)) log("begun without hashes of its input files: not checked");

  // What a kill in the middle of a publication or a checkpoint left behind.
  remove_stale_temporaries(request_.directory);
  remove_stale_temporaries(request_.directory / "ckpt");
  start_or_resume();
  wall_before_ = status_.wall_seconds;
  first_step_ = trainer_->steps_done();
  status_.state = RunState::Running;
  status_.steps = config_.train.steps;
  status_.skipped_steps = count_skipped(series_.rows);
  status_.unigram_floor = tokens_->unigram_entropy();
  status_.invocation = request_.invocation;
  status_.reason.clear();
  status_.exit_code = -1;
  heartbeat(true);
  log(fmt::format("precipice {} ({}), run {}, {} parameters, {} thread(s)", program_version(), program_commit(),
                  identity_, trainer_->num_parameters(), config_.threads));
  try {
    train();
  } catch (const std::bad_alloc&) {
    mark_failed("out of memory");
    throw;
  } catch (const std::exception& error) {
    mark_failed(error.what());
    throw;
  }
  return status_;
}

}  // namespace

RunStatus execute_run(const RunRequest& request) {
  return RunSession(request).execute();
}

void require_training_device(const std::string& device) {
  open_device(device);
  if (device != "cpu")
    throw ConfigError(
        {"", 0, "device", device},
        "this version trains on the CPU: use device = \"cpu\" (the CUDA library has kernels, not training)");
}

}  // namespace precipice
