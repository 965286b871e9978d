// SPDX-License-Identifier: Apache-2.0
// `precipice status --watch`: what has changed since the last look, and whether there is anything left to wait for.
#pragma once

#include <string>

#include "experiments/status/status_report.h"

namespace precipice {

// One line per run whose state changed or that is new, with its values: "0123456789  bf16  0  done  step 400/400 ...".
std::string changes_text(const StatusReport& before, const StatusReport& after);

// Every run is done, diverged or failed.
bool all_ended(const StatusReport& report);

}  // namespace precipice
