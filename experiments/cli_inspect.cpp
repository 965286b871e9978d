// SPDX-License-Identifier: Apache-2.0
// precipice status and precipice verify: what lies in a run or sweep directory.
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <memory>

#include "experiments/cli_commands.h"
#include "experiments/console.h"
#include "experiments/run_directory.h"
#include "experiments/status_report.h"
#include "experiments/verify.h"
#include "precision/check.h"

namespace precipice {
namespace {

struct Options {
  std::string directory;
  bool json = false;
};

int status(const Options& options) {
  const StatusReport report = make_report(options.directory);
  const auto now = static_cast<std::int64_t>(std::time(nullptr));
  print_result(options.json ? to_json(report, now) : to_text(report, now));
  return kSuccess;
}

bool is_intact(const std::vector<FileCheck>& checks) {
  return std::all_of(checks.begin(), checks.end(), [](const FileCheck& check) { return check.ok; });
}

void print_checks(const std::vector<FileCheck>& checks, bool only_bad) {
  for (const FileCheck& check : checks)
    if (!check.ok || !only_bad)
      print_result(fmt::format("{}  {}  {}\n", check.ok ? "ok " : "BAD", check.path.string(), check.message));
}

int verify(const Options& options) {
  const StatusReport report = make_report(options.directory);
  const bool is_sweep = !report.axes.empty() || report.runs.size() != 1 || report.runs[0].directory != report.directory;
  std::size_t damaged = 0, not_begun = 0;
  for (const ReportedRun& run : report.runs) {
    if (is_sweep && !std::filesystem::exists(run.directory)) {
      ++not_begun;
      continue;
    }
    const std::vector<FileCheck> checks = check_run_isolated(run.directory, is_sweep ? run.id : "");
    const bool intact = is_intact(checks);
    damaged += !intact;
    if (intact && !has_begun(run.directory)) {
      ++not_begun;
      if (is_sweep) continue;
    }
    if (is_sweep && intact) print_result(fmt::format("ok   {}  {} files\n", run.id, checks.size()));
    print_checks(checks, is_sweep);
  }
  if (is_sweep)
    print_result(fmt::format("{}: {} runs, {} intact, {} damaged, {} not begun\n", report.directory.string(),
                             report.runs.size(), report.runs.size() - damaged - not_begun, damaged, not_begun));
  if (damaged > 0) throw DataError(fmt::format("{}: files are damaged", report.directory.string()));
  return kSuccess;
}

}  // namespace

Command add_status(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* parser = app.add_subcommand("status", "Show what the runs of a directory are doing");
  parser->add_option("DIR", options->directory, "Run or sweep directory")->required();
  parser->add_flag("--json", options->json, "As JSON");
  parser->footer("Example:\n  precipice status runs/fp8_vs_bf16");
  return {parser, [options] { return status(*options); }};
}

Command add_verify(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* parser = app.add_subcommand("verify", "Check the files of a run or sweep and say what is intact");
  parser->add_option("DIR", options->directory, "Run or sweep directory")->required();
  parser->footer("Exit code 0 when all is intact, 4 otherwise.\nExample:\n  precipice verify runs/fp8_vs_bf16");
  return {parser, [options] { return verify(*options); }};
}

}  // namespace precipice
