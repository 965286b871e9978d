// SPDX-License-Identifier: Apache-2.0
// What was read of a run, as one process of this program tells it another one (run_readers.h). Numbers are as they lie in
// memory: both ends are one program on one machine.
#pragma once

#include <string>
#include <string_view>

#include "experiments/statistics/sweep_data.h"

namespace precipice {

// Status, problem, machine and series; `run` stays as it is.
std::string bytes_of_run(AnalysedRun& run);
// Puts them into `run`.
void take_run(std::string_view bytes, AnalysedRun& run);

}  // namespace precipice
