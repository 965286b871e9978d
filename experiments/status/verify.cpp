// SPDX-License-Identifier: Apache-2.0
#include "experiments/status/verify.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "experiments/sweep/observed_run.h"
#include "metrics/files/files.h"
#include "metrics/files/input_file.h"
#include "metrics/files/packed_runs.h"
#include "metrics/log/status_doubt.h"
#include "precision/base/check.h"
#include "train/run/checkpoint.h"
#include "train/run/run_inputs.h"

namespace precipice {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kTimeLimit = 300;  // seconds per run

FileCheck check_config(const fs::path& directory, std::string& identity) {
  const RunDirectory run(directory);
  const fs::path path = run.config_file();
  try {
    const std::string id = run_id(run.read_config());
    if (!identity.empty() && id != identity) return {path, false, fmt::format("is the config of run {}", id)};
    identity = id;
    return {path, true, "the config of run " + id};
  } catch (const Error& error) {
    return {path, false, error.what()};
  }
}

FileCheck check_checkpoint(const fs::path& path, const std::string& identity) {
  try {
    const Checkpoint checkpoint = read_checkpoint(path, identity);
    return {path, true, fmt::format("checkpoint at step {}, {} arrays", checkpoint.step, checkpoint.arrays.size())};
  } catch (const Error& error) {
    return {path, false, error.what()};
  }
}

// Nothing where the config names no file.
std::vector<FileCheck> check_input_files(const fs::path& directory) {
  const RunDirectory run(directory);
  const fs::path path = run.inputs_file();
  std::vector<FileCheck> checks;
  try {
    const std::vector<RunInput> recorded = recorded_inputs(directory);
    for (const RunInput& input : named_inputs(run.read_config())) {
      const fs::path file = input.path;
      const auto of_key = [&](const RunInput& other) { return other.key == input.key; };
      const auto before = std::find_if(recorded.begin(), recorded.end(), of_key);
      const std::string name = fmt::format("{} = {}", input.key, input.path);
      if (before == recorded.end())
        checks.push_back({path, true, name + " cannot be checked: the run has no hash of it", true});
      else if (std::error_code error; !fs::exists(file, error))
        checks.push_back({path, true, name + " cannot be checked: it is not there", true});
      else if (const std::string now = sha256_of_file(file); now != before->sha256)
        checks.push_back({path, false,
                          fmt::format("{} is not the file that the run began with: SHA-256 {} then, {} now", name,
                                      before->sha256, now)});
      else
        checks.push_back({path, true, name + " is the file that the run began with"});
    }
  } catch (const Error& error) {
    checks.push_back({path, false, error.what()});
  }
  return checks;
}

// Another run's status, or one that speaks of other results.
void doubt_status(const fs::path& directory, const std::string& identity, FileCheck& check) {
  try {
    const RunDirectory run(directory);
    std::vector<std::string> ids = run.ids();
    ids.insert(ids.begin(), identity);
    const auto status = run.read_status();
    const std::string doubt = status ? reason_to_doubt(directory, *status, ids) : "";
    if (!doubt.empty()) check = {check.path, false, doubt};
  } catch (const Error& error) {
    check = {check.path, false, error.what()};
  }
}

std::string encode(const std::vector<FileCheck>& checks) {
  nlohmann::json json = nlohmann::json::array();
  for (const FileCheck& check : checks) json.push_back({check.path.string(), check.ok, check.message, check.unknown});
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::vector<FileCheck> decode(const std::string& text) {
  std::vector<FileCheck> checks;
  for (const nlohmann::json& entry : nlohmann::json::parse(text))
    checks.push_back(
        {entry[0].get<std::string>(), entry[1].get<bool>(), entry[2].get<std::string>(), entry[3].get<bool>()});
  return checks;
}

[[noreturn]] void report_and_exit(int descriptor, const std::string& text) {
  std::size_t sent = 0;
  while (sent < text.size()) {
    const ssize_t written = write(descriptor, text.data() + sent, text.size() - sent);
    if (written <= 0) _exit(1);
    sent += static_cast<std::size_t>(written);
  }
  _exit(0);
}

std::string read_to_end(int descriptor) {
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t count = read(descriptor, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return text;
    text.append(buffer, static_cast<std::size_t>(count));
  }
}

}  // namespace

std::vector<FileCheck> check_run_files(const fs::path& directory, const std::string& expected_id) {
  std::string identity = expected_id;
  std::vector<FileCheck> checks{check_config(directory, identity)};
  if (!has_begun(directory)) {
    checks.push_back({directory, true, "the run has not begun"});
    return checks;
  }
  for (FileCheck& check : check_run(directory)) checks.push_back(std::move(check));
  if (!checks.front().ok) return checks;
  for (FileCheck& check : check_input_files(directory)) checks.push_back(std::move(check));
  for (FileCheck& check : checks)
    if (check.ok && check.path == RunDirectory(directory).status_file()) doubt_status(directory, identity, check);
  const RunDirectory run(directory);
  for (const std::int64_t step : run.checkpoint_steps()) {
    const fs::path path = run.checkpoint_file(step);
    FileCheck check = check_checkpoint(path, identity);
    // A run that goes on meanwhile removes its older checkpoints.
    if (check.ok || is_there(path)) checks.push_back(std::move(check));
  }
  if (const auto packed = find_packed_run(directory)) {
    const Bundle& bundle = *packed->bundle;
    const std::string problem = bundle.check(packed->id);
    checks.push_back({bundle.path(), problem.empty(),
                      problem.empty()
                          ? fmt::format("has the {} files that were packed", bundle.files(packed->id).size())
                          : problem});
  }
  return checks;
}

void hash_inputs_of(const fs::path& directory) {
  try {
    for (const RunInput& input : read_inputs_file(directory)) sha256_of_file(input.path);
  } catch (const Error&) {
  }
}

std::vector<FileCheck> check_run_isolated(const fs::path& directory, const std::string& expected_id) {
  int ends[2];
  PRECIPICE_CHECK(pipe(ends) == 0, std::strerror(errno));
  const pid_t pid = fork();
  PRECIPICE_CHECK(pid >= 0, std::strerror(errno));
  if (pid == 0) {
    alarm(kTimeLimit);
    report_and_exit(ends[1], encode(check_run_files(directory, expected_id)));
  }
  close(ends[1]);
  const std::string text = read_to_end(ends[0]);
  close(ends[0]);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return decode(text);
  const std::string what = WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "error";
  return {{directory, false, "reading the files ended in: " + what}};
}

}  // namespace precipice
