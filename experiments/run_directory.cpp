// SPDX-License-Identifier: Apache-2.0
#include "experiments/run_directory.h"

#include <fmt/format.h>

#include <cmath>
#include <fstream>

#include "metrics/files.h"
#include "metrics/journal.h"
#include "metrics/run_file.h"
#include "metrics/run_outcome.h"
#include "precision/check.h"
#include "train/config_difference.h"

namespace precipice {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxConfigBytes = 1 << 20;
constexpr std::streamoff kLogTail = 4096;

}  // namespace

RunStatus observe_run(const fs::path& directory) {
  RunStatus status;
  try {
    if (const auto read = read_status(directory / kStatusFileName)) status = *read;
  } catch (const DataError& error) {
    // One damaged file must not hide the other runs of a sweep.
    status.state = RunState::Failed;
    status.reason = error.what();
    return status;
  }
  status.state = observed_state(status);
  return status;
}

bool has_begun(const fs::path& directory) {
  for (const char* name : {kJournalFileName, kRunFileName, kCheckpointFolder})
    if (fs::exists(fs::symlink_status(directory / name))) return true;
  try {
    const auto status = read_status(directory / kStatusFileName);
    return status && (status->step > 0 || !status->run_file_sha256.empty() || is_finished(status->state));
  } catch (const DataError&) {
    return true;  // what was damaged had been written
  }
}

void prepare_run(const fs::path& directory, const RunConfig& config) {
  const fs::path path = directory / kConfigFileName;
  const std::string text = to_toml(config);
  if (!fs::exists(path)) {
    make_directories(directory);
    write_file_atomic(path, text);
  } else if (read_file(path, kMaxConfigBytes) != text) {
    check_same_config(path, config);
  }
}

void record_failure(const fs::path& directory, const WorkerEnd& end) {
  RunStatus status = read_status(directory / kStatusFileName).value_or(RunStatus{});
  const RunState state = observed_state(status);
  if (is_finished(state) || state == RunState::Running) return;
  const std::string line = last_log_line(directory);
  status.state = RunState::Failed;
  status.reason = describe(end) + (line.empty() ? "" : ": " + line);
  status.exit_code = end.killed ? 128 + end.code : end.code;
  write_status(directory / kStatusFileName, status);
}

std::string last_log_line(const fs::path& directory) {
  std::ifstream file(directory / "log.txt", std::ios::binary);
  file.seekg(0, std::ios::end);
  const std::streamoff size = file.tellg();
  if (size <= 0) return "";
  const std::streamoff start = std::max<std::streamoff>(0, size - kLogTail);
  std::string tail(static_cast<std::size_t>(size - start), '\0');
  file.seekg(start);
  file.read(tail.data(), static_cast<std::streamsize>(tail.size()));
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
