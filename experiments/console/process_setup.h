// SPDX-License-Identifier: Apache-2.0
// What the process owes its surroundings, and they to it: the processor keeps subnormal numbers and rounds to nearest
// even, descriptors 0-2 are open, and write errors are errors rather than signals.
// Commands that train also take a first SIGINT, SIGTERM or SIGUSR2 as a request to stop (a second SIGINT ends at once).
// SIGUSR2 is what a cluster's scheduler is told to send before its time limit: the exit code says that there is more to
// do, as at the end of `sweep --for`.
#pragma once

#include <atomic>

namespace precipice {

void set_up_process();  // throws ConfigError where the processor is set otherwise

inline constexpr int kMoreToDo = 7;  // exit code: stopped after checkpoints, since the time was over; start it again

void install_stop_signals();
const std::atomic<bool>& stop_requested();
int stop_exit_code();  // 130 after SIGINT, 143 after SIGTERM, kMoreToDo after SIGUSR2

}  // namespace precipice
