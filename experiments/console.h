// SPDX-License-Identifier: Apache-2.0
// Standard output of the commands. Progress may get lost when nobody reads it; results may not.
#pragma once

#include <string>
#include <string_view>

#include "experiments/progress.h"

namespace precipice {

// Throws OutputError when the text cannot be written, except into a pipe that its reader has closed.
void print_result(std::string_view text);

// A printer on standard output: rewriting on a terminal, plain lines every `pipe_interval` seconds elsewhere.
ProgressPrinter standard_progress(bool quiet, double pipe_interval);

double monotonic_seconds();

// Words as one line that a shell reads back as the same words.
std::string shell_line(int argc, const char* const* argv);

}  // namespace precipice
