// SPDX-License-Identifier: Apache-2.0
#include "experiments/bench/child_process.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <system_error>

#include "metrics/files/files.h"
#include "precision/base/check.h"

namespace precipice {

std::pair<double, double> run_child(std::vector<std::string> arguments) {
  using Clock = std::chrono::steady_clock;
  arguments.insert(arguments.begin(), "/proc/self/exe");
  std::vector<char*> argv;
  for (auto& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const auto start = Clock::now();
  const pid_t child = fork();
  if (child == 0) {
    if (!std::freopen("/dev/null", "w", stdout)) _exit(127);
    execv(argv[0], argv.data());
    _exit(127);
  }
  int status = 0;
  rusage usage{};
  if (child < 0 || wait4(child, &status, 0, &usage) != child || status != 0)
    throw OutputError("bench: a process of this program did not run");
  return {std::chrono::duration<double>(Clock::now() - start).count(), static_cast<double>(usage.ru_maxrss) / 1024};
}

BenchFolder::BenchFolder(const std::filesystem::path& parent) {
  std::string name = (parent / "precipice_bench_XXXXXX").string();
  if (!mkdtemp(name.data()))
    throw OutputError(parent.string() + ": bench cannot make a folder: " + system_reason(errno));
  root_ = name;
}

BenchFolder::~BenchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(root_, ignored);
}

}  // namespace precipice
