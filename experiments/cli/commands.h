// SPDX-License-Identifier: Apache-2.0
// What the files of the command line share: a subcommand is its parser and the action that runs after parsing.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <map>
#include <string>

namespace precipice {

// Exit codes; 130 and 143 stand for SIGINT and SIGTERM after a checkpoint.
enum ExitCode {
  kSuccess = 0,
  kInternalError = 1,
  kUsageError = 2,
  kSomeRunsFailed = 3,
  kBadData = 4,
  kOutputFailed = 5,
  kNotEnoughMemory = 6  // refused before it began, or the system gave no more
};

struct Command {
  CLI::App* parser = nullptr;
  std::function<int()> action;                      // returns the exit code; throws what cli.cpp maps to one
  std::map<std::string, std::string> parameters{};  // option_names.h: options that have another name than the parameter
};

// `invocation` is the command line as typed, for the records of runs and sweeps.
Command add_train(CLI::App& app, const std::string& invocation);
Command add_sweep(CLI::App& app, const std::string& invocation);
Command add_status(CLI::App& app);
Command add_verify(CLI::App& app);
Command add_export(CLI::App& app);
Command add_batches(CLI::App& app);
Command add_config(CLI::App& app);
Command add_bench(CLI::App& app);
Command add_formats(CLI::App& app);
Command add_cast(CLI::App& app);
Command add_recipes(CLI::App& app);
Command add_gemm(CLI::App& app);
Command add_sharpness(CLI::App& app);
Command add_landscape(CLI::App& app);
Command add_bisect(CLI::App& app);
Command add_stats(CLI::App& app);
Command add_label(CLI::App& app);
Command add_warn(CLI::App& app);
Command add_merge(CLI::App& app);
Command add_claims(CLI::App& app);
Command add_pack(CLI::App& app);
Command add_unpack(CLI::App& app);
Command add_report(CLI::App& app);
Command add_completion(CLI::App& app);

// Where settings and options of the command line were found, as errors say it.
inline constexpr const char* kCommandLine = "command line";
// Throws the ConfigError of an option: "command line: --range = 1,-1: must be ...".
[[noreturn]] void refuse_option(const std::string& option, const std::string& value, const std::string& problem);

// A CLI11 check: an empty --out is an unset variable of a script, not a wish for the default.
std::string refuse_empty_path(const std::string& path);

// A file that a command makes for the user is never replaced unless asked to.
void refuse_existing(const std::string& path, bool force, const std::string& option = "--out");

}  // namespace precipice
