// SPDX-License-Identifier: Apache-2.0
// Standard output of the commands. Progress may get lost when nobody reads it; results may not.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "experiments/console/progress.h"

namespace precipice {

// Throws OutputError when the text cannot be written, ReaderIsGone (lost_output.h) when nobody reads it any more.
void print_result(std::string_view text);
void clear_screen();  // of the terminal at standard output, with the cursor at its first place

struct TerminalSize {
  std::size_t columns = 80, rows = 24;
};
// Of the terminal behind a descriptor; nothing where there is none.
std::optional<TerminalSize> terminal_size(int descriptor);

// A printer for commands that compute for long and print their result in the end: on standard error, so that the result
// may go into a file; rewriting on a terminal, elsewhere a line every `kWaitingInterval` seconds, none before that.
inline constexpr double kWaitingInterval = 10;
ProgressPrinter waiting_progress(bool quiet);

// A printer on standard output: rewriting on a terminal, plain lines every `pipe_interval` seconds elsewhere.
ProgressPrinter standard_progress(bool quiet, double pipe_interval);

double monotonic_seconds();

// A path that is handed on as an argument and must not be taken for an option: "-e" becomes "./-e".
std::string path_argument(const std::filesystem::path& path);

// Words as one line that a shell reads back as the same words.
std::string shell_word(const std::string& word);
std::string shell_line(int argc, const char* const* argv);

}  // namespace precipice
