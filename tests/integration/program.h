// SPDX-License-Identifier: Apache-2.0
// The built program as a child process, and the tiny config that the integration tests train.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tests/support/files.h"

namespace precipice {

struct ProgramResult {
  int exit_code = -1;  // 128 + signal when it was killed
  std::string out, err;
};

// A started program; its output goes to files in `directory`.
class RunningProgram {
 public:
  RunningProgram(const std::filesystem::path& directory, const std::vector<std::string>& arguments);
  ~RunningProgram();
  RunningProgram(const RunningProgram&) = delete;
  RunningProgram& operator=(const RunningProgram&) = delete;
  void send(int signal) const;
  ProgramResult wait();

 private:
  std::filesystem::path directory_;
  pid_t pid_ = -1;
};

// A temporary directory with tiny.toml: 4400 parameters, 20 steps, under a second.
struct Workplace {
  Workplace();
  ProgramResult run(const std::vector<std::string>& arguments) const;
  std::string path(const std::string& name) const { return (dir.path() / name).string(); }
  std::string config() const { return path("tiny.toml"); }
  TemporaryDirectory dir;
};

// Waits until the file has at least this many bytes; false after a minute.
bool wait_for_size(const std::filesystem::path& file, std::uintmax_t bytes);

// Every file below a directory with its bytes.
std::map<std::string, std::string> snapshot(const std::filesystem::path& directory);

std::size_t count_lines(const std::string& text);

}  // namespace precipice
