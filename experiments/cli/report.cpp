// SPDX-License-Identifier: Apache-2.0
// precipice report: hands its words on to scripts/report of the source tree, which is Python; a program that was installed
// without its tree hands them on to precipice-report of the Python package.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <vector>

#include "experiments/cli/commands.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPackageScript = "precipice-report";  // looked for in PATH

fs::path own_path() {
  std::error_code ignored;
  return fs::read_symlink("/proc/self/exe", ignored);
}

// scripts/report of the tree in which this program was built: build/release/precipice lies below it. Else the package's.
std::string find_script() {
  std::error_code ignored;
  for (fs::path folder = own_path().parent_path(); folder.has_relative_path(); folder = folder.parent_path())
    if (fs::is_regular_file(folder / "scripts" / "report", ignored)) return (folder / "scripts" / "report").string();
  return kPackageScript;
}

int run_script(const std::vector<std::string>& words) {
  std::string script = find_script();
  std::vector<char*> argv{script.data()};
  std::vector<std::string> copies = words;
  for (std::string& word : copies) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::setenv("PRECIPICE", own_path().c_str(), 0);  // the statistics of the report are this program's, unless another is named
  ::execvp(script.c_str(), argv.data());
  if (script == kPackageScript && errno == ENOENT)
    throw ConfigError(
        fmt::format("the report is made by scripts/report of the source tree, and no folder above {} has one, "
                    "or by {} of the Python package, and PATH has none: pip install ./python/precipice",
                    own_path().string(), kPackageScript));
  throw OutputError(fmt::format("{}: cannot be started: {}", script, std::strerror(errno)));
}

}  // namespace

Command add_report(CLI::App& app) {
  CLI::App* parser = app.add_subcommand("report", "Draw the figures and the page of sweeps and runs (scripts/report)");
  parser->prefix_command();
  parser->set_help_flag();  // the script's own --help is shown
  return {parser, [parser] { return run_script(parser->remaining()); }};
}

}  // namespace precipice
