// SPDX-License-Identifier: Apache-2.0
// What the process owes its surroundings, and they to it: the processor keeps subnormal numbers and rounds to nearest
// even, descriptors 0-2 are open, and write errors are errors rather than signals.
// Commands that train also take a first SIGINT, SIGTERM or SIGUSR2 as a request to stop (a second SIGINT ends at once).
#pragma once

#include <atomic>

namespace precipice {

void set_up_process();  // throws ConfigError where the processor is set otherwise

void install_stop_signals();
const std::atomic<bool>& stop_requested();
int stop_exit_code();  // 130 after SIGINT, 143 after SIGTERM or SIGUSR2

}  // namespace precipice
