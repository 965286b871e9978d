// SPDX-License-Identifier: Apache-2.0
// The command line: subcommands, and the one place where errors become exit codes and one line on standard error.
#pragma once

#include <functional>

namespace precipice {

int run_cli(int argc, char** argv);

// Does the work. What it throws becomes an exit code and one line on standard error.
int exit_code_of(const std::function<int()>& work);

}  // namespace precipice
