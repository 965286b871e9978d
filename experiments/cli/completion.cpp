// SPDX-License-Identifier: Apache-2.0
// precipice completion: scripts for shells, and the words that these ask for.
#include "experiments/cli/completion.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>

#include "experiments/cli/commands.h"
#include "experiments/cli/completion_scripts.h"
#include "experiments/console/console.h"

namespace precipice {
namespace {

constexpr const char* kAsking = "complete-words";

std::vector<Candidate> complete_command(const CLI::App& app, const std::string& typed) {
  std::vector<Candidate> commands;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    if (!command->get_group().empty()) commands.push_back({command->get_name(), command->get_description()});
  return beginning_with(typed, std::move(commands));
}

std::vector<Candidate> complete_option(const CLI::App& command, const std::string& typed) {
  std::vector<Candidate> options;
  for (const CLI::Option* option : command.get_options())
    for (const std::string& name : option->get_lnames()) options.push_back({"--" + name, option->get_description()});
  return beginning_with(typed, std::move(options));
}

bool takes_value(const CLI::Option* option) {
  return option != nullptr && option->get_items_expected_max() > 0;
}

bool takes_many(const CLI::Option& option) {
  return option.get_items_expected_max() > 1;
}

// A check that a value is one of several names them in the type of the option: "TEXT:{failed,missing}".
std::vector<Candidate> choices_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const std::size_t open = type.find('{'), close = type.find('}', open == std::string::npos ? 0 : open);
  std::vector<Candidate> choices;
  if (open == std::string::npos || close == std::string::npos) return choices;
  for (std::size_t start = open + 1; start < close;) {
    const std::size_t end = std::min(type.find(',', start), close);
    choices.push_back({type.substr(start, end - start), ""});
    start = end + 1;
  }
  return choices;
}

// Values of an option, or words of an argument without a name. Every number, and text that no declaration lists, has no
// candidates.
Completion complete_argument(const CLI::App& command, const CLI::Option& option, const std::string& typed,
                             const std::string& before) {
  using Names = Completion::Names;
  static const std::map<std::string, Names> paths = {{"CONFIG", Names::Files},    {"DIR", Names::Directories},
                                                     {"RUN", Names::Directories}, {"out", Names::Files},
                                                     {"counters", Names::Files},  {"scales", Names::Files},
                                                     {"tokens", Names::Files},    {"directions", Names::Files}};
  const std::string& name = option.get_single_name();
  const std::string& of = command.get_name();
  if (const std::vector<Candidate> choices = choices_of(option); !choices.empty())
    return {beginning_with(typed, choices, before)};
  if (name == "SWEEP") return {{}, of == "sweep" ? Names::Files : Names::Directories, before};
  if (const auto path = paths.find(name); path != paths.end()) return {{}, path->second, before};
  if (name == "SETTING") return complete_setting(typed, of == "sweep");
  if (name == "FILTER") return {complete_key(typed)};
  if (name == "recipe" || (name == "NAME" && of == "recipes")) return {complete_recipe(typed, before)};
  if (name == "format" || name == "reference" || (name == "NAME" && of == "formats"))
    return {complete_format(typed, before)};
  if (name == "rounding" || name == "overflow") return {complete_value("precision." + name, typed, before)};
  return {};
}

// The `index`-th argument without a name; the last one may take all that follow.
const CLI::Option* positional(const CLI::App& command, std::size_t index) {
  const std::vector<const CLI::Option*> all =
      command.get_options([](const CLI::Option* option) { return !option->nonpositional(); });
  if (index < all.size()) return all[index];
  return !all.empty() && takes_many(*all.back()) ? all.back() : nullptr;
}

// How far the words before the last one have got.
struct Position {
  const CLI::Option* waiting = nullptr;  // for a value
  std::size_t arguments = 0;             // without a name
  bool options_are_over = false;         // after "--"
};

Position position_after(const CLI::App& command, const std::vector<std::string>& words) {
  Position at;
  for (const std::string& word : words) {
    if (!at.options_are_over && word == "--") {
      at.options_are_over = true, at.waiting = nullptr;
    } else if (!at.options_are_over && word.size() > 1 && word[0] == '-') {
      const CLI::Option* option = command.get_option_no_throw(word);
      at.waiting = takes_value(option) ? option : nullptr;
    } else if (at.waiting == nullptr) {
      ++at.arguments;
    } else if (!takes_many(*at.waiting)) {
      at.waiting = nullptr;
    }
  }
  return at;
}

Completion complete_of_command(const CLI::App& command, const std::vector<std::string>& before,
                               const std::string& typed) {
  const Position at = position_after(command, before);
  if (!at.options_are_over && typed.starts_with("-")) {
    const std::size_t equals = typed.find('=');
    if (equals == std::string::npos) return {complete_option(command, typed)};
    const CLI::Option* option = command.get_option_no_throw(typed.substr(0, equals));
    if (!takes_value(option)) return {};
    return complete_argument(command, *option, typed.substr(equals + 1), typed.substr(0, equals + 1));
  }
  if (at.waiting != nullptr) return complete_argument(command, *at.waiting, typed, "");
  if (command.get_prefix_command()) return {{}, Completion::Names::Directories};  // report: words of a script
  const CLI::Option* argument = positional(command, at.arguments);
  const Completion completion = argument == nullptr ? Completion{} : complete_argument(command, *argument, typed, "");
  const bool nothing = completion.candidates.empty() && completion.names == Completion::Names::None;
  if (nothing && typed.empty() && !at.options_are_over) return {complete_option(command, typed)};
  return completion;
}

}  // namespace

Completion complete_words(const CLI::App& app, const std::vector<std::string>& words) {
  const std::string typed = words.empty() ? "" : words.back();
  if (words.size() < 2) {
    if (typed.starts_with("-")) return {complete_option(app, typed)};
    std::vector<Candidate> commands = complete_command(app, typed);
    for (const Candidate& help : beginning_with(typed, {{"help", "Show the help of a command"}}))
      commands.push_back(help);
    return {std::move(commands)};
  }
  if (words[0] == "help") return {words.size() == 2 ? complete_command(app, typed) : std::vector<Candidate>{}};
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    if (command->get_name() == words[0])
      return complete_of_command(*command, {words.begin() + 1, words.end() - 1}, typed);
  return {};
}

std::optional<std::string> answer_shell(const CLI::App& app, int argc, const char* const* argv) {
  if (argc < 2 || argv[1] != std::string(kAsking)) return std::nullopt;
  const Completion completion = complete_words(app, {argv + 2, argv + argc});
  std::string lines;
  const auto add = [&](const std::string& word, const std::string& note) {
    lines += note.empty() ? word + "\n" : fmt::format("{}\t{}\n", word, note);
  };
  if (completion.names == Completion::Names::Files) add(":files", completion.before_name);
  if (completion.names == Completion::Names::Directories) add(":directories", completion.before_name);
  for (const Candidate& candidate : completion.candidates) add(candidate.word, candidate.description);
  return lines;
}

Command add_completion(CLI::App& app) {
  auto shell = std::make_shared<std::string>();
  CLI::App* parser =
      app.add_subcommand("completion", "Print what lets a shell complete commands, keys and their values");
  parser->add_option("SHELL", *shell, "Whose script is printed")->required()->check(CLI::IsMember(completion_shells()));
  parser->footer(
      "With precipice in PATH, or called by a path that ends in precipice:\n"
      "  bash, in ~/.bashrc:                   source <(precipice completion bash)\n"
      "  zsh, in ~/.zshrc after compinit:      source <(precipice completion zsh)\n"
      "  fish, in ~/.config/fish/config.fish:  precipice completion fish | source\n"
      "Keys, recipes and formats are asked of the program at every TAB, so that its newest words need no newer "
      "script.");
  return {parser, [shell] {
            print_result(completion_script(*shell));
            return kSuccess;
          }};
}

}  // namespace precipice
