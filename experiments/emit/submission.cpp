// SPDX-License-Identifier: Apache-2.0
#include "experiments/emit/submission.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "experiments/console/console.h"
#include "experiments/emit/engines.h"
#include "metrics/files/files.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

bool is_in_path(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');)
    if (access((std::filesystem::path(folder) / program).c_str(), X_OK) == 0) return true;
  return false;
}

// Output, errors among it, and exit code of a shell's line.
std::pair<std::string, int> output_of(const std::string& line) {
  FILE* pipe = popen((line + " 2>&1").c_str(), "r");
  if (!pipe) throw OutputError("no shell can be started");
  std::string output;
  std::array<char, 4096> part{};
  for (std::size_t n = 0; (n = std::fread(part.data(), 1, part.size(), pipe)) > 0;) output.append(part.data(), n);
  const int status = pclose(pipe);
  return {output, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)};
}

}  // namespace

std::string submit_to_slurm(const ClusterJob& job) {
  if (!is_in_path("sbatch"))
    throw ConfigError({"", 0, "slurm", ""},
                      "sbatch is not in PATH: submit on a machine of the cluster, or print the script (`emit` slurm)");
  const std::filesystem::path folder = std::filesystem::path(job.directory) / "slurm";
  make_directories(folder);
  const std::string script = (folder / "job.sh").string();
  write_file_atomic(script, slurm_script(job));
  const auto [output, code] = output_of("bash " + shell_word(script));
  if (code != 0) throw OutputError(script + " could not be submitted: " + output);
  return output;
}

}  // namespace precipice
