// SPDX-License-Identifier: Apache-2.0
#include "experiments/cli/cli.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <sstream>
#include <vector>

#include "experiments/cli/commands.h"
#include "experiments/cli/completion.h"
#include "experiments/cli/option_names.h"
#include "experiments/console/console.h"
#include "experiments/console/lost_output.h"
#include "experiments/console/printable.h"
#include "experiments/console/process_setup.h"
#include "experiments/sweep/plan.h"
#include "precision/base/check.h"
#include "precision/cuda/cuda_library.h"
#include "train/run/provenance.h"

namespace precipice {
namespace {

constexpr const char* kExamples =
    "Examples:\n"
    "  precipice train run.toml optimizer.lr=3e-3 precision.recipe=fp8 --out runs/first\n"
    "  precipice sweep experiments/configs/fp8_vs_bf16.toml --out runs/fp8_vs_bf16 --jobs 2\n"
    "  precipice status runs/fp8_vs_bf16\n"
    "  precipice formats e2m1\n"
    "  precipice cast --format e4m3 0.3 448 500\n"
    "Keys are listed in docs/CONFIG.md and by `precipice config`. Exit codes: 0 done or diverged, 2 usage or config,\n"
    "3 some runs failed, 4 bad data, 5 output not written, 6 not enough memory, 7 time used, more to do,\n"
    "130/143 interrupted after a checkpoint, 141 the reader of a pipe left. Start again after 7, 130 and 143;\n"
    "2 and 4 stay what they are (docs/CLUSTERS.md).";

constexpr std::size_t kMostValue = 60;      // bytes of an option's value
constexpr std::size_t kMostMessage = 6000;  // bytes; the rest of an echoed word is no news

// One line whatever the message holds.
int report_error(int exit_code, std::string message) {
  if (message.size() > kMostMessage)
    message = fmt::format("{} ... ({} characters left out) ... {}", message.substr(0, kMostMessage / 2),
                          message.size() - kMostMessage, message.substr(message.size() - kMostMessage / 2));
  const std::string line = "precipice: " + printable_line(message) + "\n";
  // Nobody is left to be told when this fails.
  if (write(STDERR_FILENO, line.data(), line.size()) < 0) return exit_code;
  return exit_code;
}

std::string unknown_command(const std::vector<Command>& commands, const std::string& word) {
  std::vector<std::string> names;
  for (const Command& command : commands) names.push_back(command.parser->get_name());
  const std::string near = nearest_word(word, names);
  return fmt::format("unknown command {}{}; see precipice --help", word,
                     near.empty() ? "" : fmt::format(", did you mean {}?", near));
}

// " (did you mean --seed?)" for a word that no command or option takes.
std::string suggestion(const CLI::App& app) {
  for (const CLI::App* command : app.get_subcommands()) {
    const std::vector<std::string> unknown = command->remaining();
    std::vector<std::string> names;
    for (const CLI::Option* option : command->get_options())
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    const std::string word = unknown.empty() ? "" : unknown[0].substr(0, unknown[0].find('='));
    const std::string near = word.starts_with("--") ? nearest_word(word, names) : "";
    if (!near.empty()) return fmt::format(" (did you mean {}?)", near);
  }
  return {};
}

// The parser takes -inf, -nan and -.5 for options, but not with a blank in front; a number may have one.
std::vector<std::string> words_of(int argc, char** argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  for (std::string& word : words) {
    if (words[0] != "cast" || !word.starts_with("-") || word.size() < 2 ||
        std::isdigit(static_cast<unsigned char>(word[1])))
      continue;
    char* end = nullptr;
    std::strtod(word.c_str(), &end);
    if (*end == '\0') word.insert(0, " ");
  }
  // `precipice help sweep` is `precipice sweep --help`.
  if (!words.empty() && words[0] == "help") {
    words.erase(words.begin());
    words.resize(std::min<std::size_t>(words.size(), 1));
    words.push_back("--help");
  }
  std::reverse(words.begin(), words.end());  // as the parser wants them
  return words;
}

int run_commands(int argc, char** argv) {
  CLI::App app("precipice trains small transformers in any number format and shows where training falls off the cliff.",
               "precipice");
  app.footer(kExamples);
  app.set_version_flag("--version", fmt::format("precipice {} ({})", program_version(), program_commit()));
  app.require_subcommand(1);
  const std::string invocation = shell_line(argc, argv);
  const std::vector<Command> commands = {add_train(app, invocation),
                                         add_sweep(app, invocation),
                                         add_status(app),
                                         add_verify(app),
                                         add_export(app),
                                         add_batches(app),
                                         add_config(app),
                                         add_bench(app),
                                         add_devices(app),
                                         add_formats(app),
                                         add_cast(app),
                                         add_recipes(app),
                                         add_gemm(app),
                                         add_sharpness(app),
                                         add_landscape(app),
                                         add_bisect(app),
                                         add_stats(app),
                                         add_label(app),
                                         add_warn(app),
                                         add_merge(app),
                                         add_claims(app),
                                         add_pack(app),
                                         add_unpack(app),
                                         add_report(app),
                                         add_completion(app)};
  if (const auto answer = answer_shell(app, argc, argv)) {
    print_result(*answer);
    return kSuccess;
  }
  const std::vector<std::string> words = words_of(argc, argv);
  try {
    app.parse(std::vector<std::string>(words));
  } catch (const CLI::ParseError& error) {
    const std::string first = words.empty() ? "" : words.back();
    const bool no_command = app.get_subcommands().empty() && !first.empty() && first[0] != '-';
    if (no_command || error.get_exit_code() != static_cast<int>(CLI::ExitCodes::Success)) {
      return report_error(kUsageError, "error: " + (argc < 2 ? std::string("a command is missing; see precipice --help")
                                                    : no_command ? unknown_command(commands, first)
                                                                 : error.what() + suggestion(app)));
    }
    std::ostringstream help, none;  // --help and --version
    const int exit_code = app.exit(error, help, none);
    print_result(help.str());
    return exit_code;
  }
  for (const Command& command : commands)
    if (command.parser->parsed()) return OptionNames(command.parser, command.parameters).translate(command.action);
  return kUsageError;
}

}  // namespace

std::string refuse_empty_path(const std::string& path) {
  return path.empty() ? "a path is missing" : "";
}

void refuse_option(const std::string& option, const std::string& value, const std::string& problem) {
  throw ConfigError({kCommandLine, 0, option, value.substr(0, kMostValue)}, problem);
}

void refuse_existing(const std::string& path, bool force, const std::string& option) {
  if (!force && std::filesystem::exists(std::filesystem::symlink_status(path)))
    throw ConfigError({kCommandLine, 0, option, path}, "the file exists; --force replaces it");
}

int exit_code_of(const std::function<int()>& work) {
  try {
    return work();
  } catch (const ConfigError& error) {
    return report_error(kUsageError, std::string("error: ") + error.what());
  } catch (const DataError& error) {
    return report_error(kBadData, std::string("error: ") + error.what());
  } catch (const OutputError& error) {
    return report_error(kOutputFailed, std::string("error: ") + error.what());
  } catch (const ReaderIsGone&) {
    return kReaderIsGone;
  } catch (const OutOfDeviceMemory& error) {
    return report_error(kNotEnoughMemory, std::string("error: ") + error.what());
  } catch (const NotEnoughMemory& error) {
    return report_error(kNotEnoughMemory, std::string("error: ") + error.what());
  } catch (const std::bad_alloc&) {
    return report_error(kNotEnoughMemory,
                        "error: out of memory: the system gave no more; `--dry-run` of train and sweep says what a run "
                        "needs, and smaller train.batch, model.context or model.width, or fewer --jobs need less");
  } catch (const std::filesystem::filesystem_error& error) {  // no permission to look
    return report_error(kOutputFailed, fmt::format("error: {}: {}", error.path1().string(), error.code().message()));
  } catch (const std::exception& error) {
    return report_error(kInternalError, std::string("internal error: ") + error.what());
  } catch (...) {
    return report_error(kInternalError, "internal error: unknown exception");
  }
}

int run_cli(int argc, char** argv) {
  return exit_code_of([&] {
    set_up_process();
    return run_commands(argc, argv);
  });
}

}  // namespace precipice
