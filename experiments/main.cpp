// SPDX-License-Identifier: Apache-2.0
#include "experiments/cli.h"

int main(int argc, char** argv) {
  return precipice::run_cli(argc, argv);
}
