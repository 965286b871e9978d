// SPDX-License-Identifier: Apache-2.0
// precipice status and precipice verify: what lies in a run or sweep directory.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <memory>
#include <thread>

#include "experiments/cli/commands.h"
#include "experiments/console/console.h"
#include "experiments/console/process_setup.h"
#include "experiments/status/status_report.h"
#include "experiments/status/status_shards.h"
#include "experiments/status/status_watch.h"
#include "experiments/status/verify.h"
#include "experiments/sweep/observed_run.h"
#include "metrics/files/packed_runs.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

constexpr std::chrono::milliseconds kSlice{50};

struct InspectArguments {
  std::string directory;
  bool json = false, watch = false;
  double every = 2;  // seconds between looks
};

std::int64_t unix_time() {
  return static_cast<std::int64_t>(std::time(nullptr));
}

// False when the user has had enough.
bool wait_for(double seconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (!stop_requested() && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(kSlice);
  return !stop_requested();
}

// A line of JSON at each look.
int watch_json(const InspectArguments& options) {
  install_stop_signals();
  for (;;) {
    const StatusReport report = make_report(options.directory);
    print_result(to_json(report, unix_time(), -1));
    if (all_ended(report) || !wait_for(options.every)) break;
  }
  return stop_requested() ? stop_exit_code() : kSuccess;
}

// On a terminal the table is drawn anew at each look, cut to the screen; elsewhere each change is a line.
int watch(const InspectArguments& options) {
  constexpr std::size_t kOtherRows = 6;  // summary, heads, "and more", notes, cursor
  install_stop_signals();
  StatusReport report = make_report(options.directory), before = report;
  const bool terminal = terminal_size(STDOUT_FILENO).has_value();
  if (!terminal) print_result(summary_line(report));
  for (before.runs.clear();; before = std::move(report), report = make_report(options.directory)) {
    if (const auto size = terminal_size(STDOUT_FILENO)) {
      const std::size_t shards = size->rows / 4, other = kOtherRows + count_shard_lines(report, shards);
      const std::size_t rows = size->rows > other + 1 ? size->rows - other : 1;
      clear_screen();
      print_result(to_text(report, unix_time(), rows, shards));
    } else {
      print_result(changes_text(before, report));
    }
    if (all_ended(report) || !wait_for(options.every)) break;
  }
  if (!terminal) print_result(summary_line(report));
  return stop_requested() ? stop_exit_code() : kSuccess;
}

int status(const InspectArguments& options) {
  if (options.watch) return options.json ? watch_json(options) : watch(options);
  const StatusReport report = make_report(options.directory);
  const std::int64_t now = unix_time();
  print_result(options.json ? to_json(report, now) : to_text(report, now));
  return kSuccess;
}

bool is_intact(const std::vector<FileCheck>& checks) {
  return std::all_of(checks.begin(), checks.end(), [](const FileCheck& check) { return check.ok; });
}

void print_checks(const std::vector<FileCheck>& checks, bool only_bad) {
  for (const FileCheck& check : checks)
    if (!check.ok || check.unknown || !only_bad)
      print_result(fmt::format("{}  {}  {}\n", check.ok ? "ok " : "BAD", check.path.string(), check.message));
}

int verify(const InspectArguments& options) {
  const StatusReport report = make_report(options.directory);
  const bool is_sweep = !report.axes.empty() || report.runs.size() != 1 || report.runs[0].directory != report.directory;
  std::size_t damaged = 0, not_begun = 0;
  for (const ReportedRun& run : report.runs) {
    if (is_sweep && !std::filesystem::exists(run.directory) && !find_packed_run(run.directory)) {
      ++not_begun;
      continue;
    }
    hash_inputs_of(run.directory);
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
  auto options = std::make_shared<InspectArguments>();
  CLI::App* parser = app.add_subcommand("status", "Show what the runs of a directory are doing");
  parser->add_option("DIR", options->directory, "Run or sweep directory")->required();
  parser->add_flag("--json", options->json, "As JSON; with --watch a line of it at each look");
  CLI::Option* watch = parser->add_flag(
      "--watch", options->watch, "Until all runs have ended or Ctrl-C; a live table on a terminal, elsewhere changes");
  parser->add_option("--every", options->every, "Seconds between looks of --watch [2]")
      ->check(CLI::Range(0.1, 3600.0))
      ->needs(watch);
  parser->footer("Example:\n  precipice status runs/fp8_vs_bf16 --watch");
  return {parser, [options] { return status(*options); }};
}

Command add_verify(CLI::App& app) {
  auto options = std::make_shared<InspectArguments>();
  CLI::App* parser =
      app.add_subcommand("verify", "Check the files of a run or sweep, and those that it was trained on");
  parser->add_option("DIR", options->directory, "Run or sweep directory")->required();
  parser->footer("Exit code 0 when all is intact, 4 otherwise.\nExample:\n  precipice verify runs/fp8_vs_bf16");
  return {parser, [options] { return verify(*options); }};
}

}  // namespace precipice
