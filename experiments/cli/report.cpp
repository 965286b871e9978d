// SPDX-License-Identifier: Apache-2.0
// precipice report: hands its words on to scripts/report of the source tree, which is Python.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include "experiments/cli/commands.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

namespace fs = std::filesystem;

// scripts/report of the tree in which this program was built: build/release/precipice lies below it.
fs::path find_script() {
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  for (fs::path folder = program.parent_path(); folder.has_relative_path(); folder = folder.parent_path())
    if (fs::is_regular_file(folder / "scripts" / "report", ignored)) return folder / "scripts" / "report";
  throw ConfigError(fmt::format(
      "the report is made by scripts/report of the source tree, and no folder above {} has one", program.string()));
}

int run_script(const std::vector<std::string>& words) {
  std::string script = find_script().string();
  std::vector<char*> argv{script.data()};
  std::vector<std::string> copies = words;
  for (std::string& word : copies) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::execv(script.c_str(), argv.data());
  throw OutputError(fmt::format("{}: cannot be started: {}", script, std::strerror(errno)));
}

}  // namespace

Command add_report(CLI::App& app) {
  CLI::App* parser = app.add_subcommand("report", "Draw the figures and the page of a sweep or run (scripts/report)");
  parser->prefix_command();
  parser->set_help_flag();  // the script's own --help is shown
  return {parser, [parser] { return run_script(parser->remaining()); }};
}

}  // namespace precipice
