// SPDX-License-Identifier: Apache-2.0
// The warning report as tables for people.
#pragma once

#include <string>

#include "experiments/warnings/warn_report.h"

namespace precipice {

inline constexpr std::size_t kShownSignals = 5;

// Of the most telling signals, the first kShownSignals of WarnReport::best, or of all.
std::string warnings_text(const WarnReport& report, bool all = false);

}  // namespace precipice
