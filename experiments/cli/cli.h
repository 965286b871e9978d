// SPDX-License-Identifier: Apache-2.0
// The command line: subcommands, and the one place where errors become exit codes and one line on standard error.
#pragma once

namespace precipice {

int run_cli(int argc, char** argv);

}  // namespace precipice
