// SPDX-License-Identifier: Apache-2.0
#include "experiments/sweep/observed_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "metrics/files/directory.h"
#include "metrics/files/run_files.h"
#include "metrics/log/run_outcome.h"
#include "metrics/log/status_doubt.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLogTail = 4096;

// Nothing where the config cannot be read: then nobody knows.
std::vector<std::string> ids_of(const fs::path& directory) {
  try {
    return RunDirectory(directory).ids();
  } catch (const Error&) {
    return {};
  }
}

bool is_of_another_run(const fs::path& directory, const std::string& id, const std::string& status_id) {
  const std::vector<std::string> ids = ids_of(directory);
  return (!status_id.empty() && status_id != id) || (!ids.empty() && std::ranges::find(ids, id) == ids.end());
}

}  // namespace

RunStatus observe_run(const fs::path& directory, const std::string& id, std::string* run_file) {
  RunStatus status;
  const auto failed = [](const std::string& reason) {
    RunStatus failure;
    failure.state = RunState::Failed;
    failure.reason = reason;
    return failure;
  };
  try {
    if (const auto read = RunDirectory(directory).read_status()) status = *read;
  } catch (const DataError& error) {
    // One damaged file must not hide the other runs of a sweep.
    return failed(error.what());
  }
  status.state = observed_state(status);
  // A directory whose status says nothing yet has nothing to be doubted.
  const bool says_something = status.state != RunState::Pending || !status.run_id.empty();
  const std::vector<std::string> ids = !says_something ? std::vector<std::string>{}
                                       : id.empty()    ? ids_of(directory)
                                                       : std::vector<std::string>{id};
  const std::string doubt = ids.empty() ? "" : reason_to_doubt(directory, status, ids, run_file);
  return doubt.empty() ? status : failed(doubt);
}

bool has_begun(const fs::path& directory) {
  const RunDirectory run(directory);
  if (!run.result().empty()) return true;
  try {
    const auto status = run.read_status();
    return status && (status->step > 0 || !status->run_file_sha256.empty() || is_finished(status->state));
  } catch (const DataError&) {
    return true;  // what was damaged had been written
  }
}

void record_failure(const fs::path& directory, const std::string& id, const WorkerEnd& end) {
  if (!fs::is_directory(directory)) return;
  const Directory held(directory);
  if (!held.try_lock()) return;  // another process runs it
  RunStatus status;
  try {
    status = RunDirectory(directory).read_status().value_or(RunStatus{});
  } catch (const DataError&) {
    return;  // damaged: it stays for whoever wants to know
  }
  const RunState state = observed_state(status);
  // A run that ended and could not say so, in a process that has others, still seems to be running.
  const bool is_that_one = status.pid == end.pid && status.host == host_name();
  const bool is_running = state == RunState::Running && !is_that_one;
  if (is_finished(state) || is_running || is_of_another_run(directory, id, status.run_id)) return;
  const std::string line = last_log_line(directory);
  status.run_id = id;
  status.state = RunState::Failed;
  status.reason = describe(end) + (line.empty() ? "" : ": " + line);
  status.exit_code = end.killed ? 128 + end.code : end.code;
  write_status(held, status);
}

std::string last_log_line(const fs::path& directory) {
  if (!fs::is_directory(directory)) return "";
  std::string tail = Directory(directory).read_tail(kLogFileName, kLogTail);
  tail.erase(tail.find_last_not_of("\r\n") + 1);
  const std::size_t line = tail.find_last_of("\r\n");
  return line == std::string::npos ? tail : tail.substr(line + 1);
}

std::string loss_text(const RunStatus& status) {
  if (status.step == 0) return "-";
  // The sign of a NaN means nothing.
  return std::isnan(status.final_loss) ? "nan" : fmt::format("{:.4f}", status.final_loss);
}

std::string describe(const RunStatus& status) {
  // The reason of a skipped run begins with the state's name.
  std::string text = status.state == RunState::Skipped ? status.reason : to_string(status.state);
  if (status.divergence_step >= 0) text += fmt::format(" at step {}", status.divergence_step);
  if (!status.reason.empty() && status.state != RunState::Skipped) text += fmt::format(" ({})", status.reason);
  if (status.heartbeat > 0) text += fmt::format("  step {}/{}", status.step, status.steps);
  if (status.step > 0) text += "  loss " + loss_text(status);
  if (status.skipped_steps > 0 && status.state != RunState::Skipped)
    text += "  " + skipped_text(status.skipped_steps, status.step);
  return text;
}

}  // namespace precipice
