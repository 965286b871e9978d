// SPDX-License-Identifier: Apache-2.0
// status.json: what a run is doing, for `precipice status`, the scheduler and `verify`; rewritten atomically.
// It names the SHA-256 of run.h5. The two files cannot be replaced in one step, so publish_run_file goes
//   1. status.json with the new hash, and in run_file_before the hash of the file that lies there ("none": no file);
//   2. run.h5 by rename;
//   3. status.json with run_file_before empty.
// A kill between any two leaves a run.h5 that status.json accepts: after 1 the old one, after 2 the new one. A resumed
// run starts from read_status(), so that the next publication settles which of the two it was.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "metrics/files/directory.h"
#include "metrics/files/run_files.h"
#include "metrics/log/device_fields.h"

namespace precipice {

inline constexpr const char* kNoRunFile = "none";
inline constexpr std::int64_t kStaleSeconds = 60;

// Untrained and Skipped: metrics/log/run_outcome.h.
enum class RunState { Pending, Running, Done, Diverged, Untrained, Skipped, Failed, Interrupted, Stale };

std::string to_string(RunState state);  // "pending", ...
// Nothing is left to train: done, diverged, untrained or skipped.
bool is_finished(RunState state);

struct RunStatus {
  std::string run_id;                  // of the run's config; "" in files of earlier versions
  RunState state = RunState::Pending;  // never Stale in a file: see observed_state
  std::int64_t step = 0;               // steps done
  std::int64_t steps = 0;              // steps wanted
  std::int64_t pid = 0;                // 0: never started
  std::int64_t process_start = 0;      // start_time_of_process(pid), tells a process from a later one of the same id
  std::string host;
  std::int64_t heartbeat = 0;                                       // Unix seconds
  std::string reason;                                               // of a divergence, failure or interruption
  std::int64_t divergence_step = -1;                                // -1: none
  double final_loss = std::numeric_limits<double>::quiet_NaN();     // "nan", "inf" or "-inf" in the file if not finite
  double unigram_floor = std::numeric_limits<double>::quiet_NaN();  // of the data, nats (train/data/unigram_entropy.h)
  std::int64_t skipped_steps = 0;                                   // left out by the loss scale
  std::string run_file_sha256;                                      // "": no run.h5 was published yet
  std::string run_file_before;                                      // not empty while a publication is under way
  double wall_seconds = 0;                                          // training time of all invocations
  double cpu_seconds = 0;  // processor time of all invocations, all threads; NaN in files of earlier versions: unknown
  double steps_per_second = 0;
  std::string invocation;  // the command line
  int exit_code = -1;      // -1: has not ended
  DeviceFields device;     // not in the file where it is empty
};

// Throws OutputError; the old file stays.
void write_status(const Directory& run_dir, const RunStatus& status, const std::string& name = kStatusFileName);
// Nothing when there is no such file; DataError when it is damaged.
std::optional<RunStatus> read_status(const std::filesystem::path& path);

// Fills pid, process_start, host and heartbeat with those of this process, now.
void stamp(RunStatus& status);

// Stale for a run said to be running whose heartbeat is older than kStaleSeconds, or whose process is gone if it ran on
// `host`; otherwise the state of the file. The second form takes this host and the present time.
RunState observed_state(const RunStatus& status, std::string_view host, std::int64_t now);
RunState observed_state(const RunStatus& status);

// Field 22 of /proc/PID/stat, in clock ticks since boot; nothing when there is no such process or it is a zombie.
std::optional<std::int64_t> start_time_of_process(std::int64_t pid);
bool process_alive(std::int64_t pid, std::int64_t start_time);
std::string host_name();

// Publishes run.h5 into run_dir in the order above, with `status` written beside it; its hash fields are updated.
// Throws OutputError; run.h5 and status.json then still agree, and the call may be repeated.
void publish_run_file(const Directory& run_dir, std::string_view bytes, RunStatus& status);

}  // namespace precipice
