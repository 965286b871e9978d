// SPDX-License-Identifier: Apache-2.0
// `precipice complete-words WORD...`: what the scripts of `precipice completion` ask. The words are those of a command
// line after the program's name, the last one as far as it is typed, and none of them is parsed as ours.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "experiments/cli/completion_words.h"

namespace precipice {

// What fits in the place of the last word, by the commands and options of `app`.
Completion complete_words(const CLI::App& app, const std::vector<std::string>& words);

// The answer in lines: a candidate, with a tab and its description; or ":files" or ":directories", with a tab and what
// comes before the name in the word. Nothing unless argv[1] is complete-words.
std::optional<std::string> answer_shell(const CLI::App& app, int argc, const char* const* argv);

}  // namespace precipice
