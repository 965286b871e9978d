// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <cstdio>

#include "experiments/cli/cli.h"

int main(int argc, char** argv) {
  const int code = precipice::run_cli(argc, argv);
  // Every file is closed by now; taking the libraries' tables of operators apart would be time for nothing.
  std::fflush(nullptr);
  _exit(code);
}
