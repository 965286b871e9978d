// SPDX-License-Identifier: Apache-2.0
// Whole processes of this program, timed, and folders to run them in.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace precipice {

// Runs this program with arguments, its output thrown away; seconds and peak memory in MB. Throws OutputError where it
// does not end with exit code 0.
std::pair<double, double> run_child(std::vector<std::string> arguments);

// A new folder under `parent`, removed in the end.
class BenchFolder {
 public:
  explicit BenchFolder(const std::filesystem::path& parent = "/tmp");  // throws OutputError
  ~BenchFolder();
  BenchFolder(const BenchFolder&) = delete;
  BenchFolder& operator=(const BenchFolder&) = delete;
  const std::filesystem::path& path() const { return root_; }
  std::string operator/(const char* name) const { return (root_ / name).string(); }

 private:
  std::filesystem::path root_;
};

}  // namespace precipice
