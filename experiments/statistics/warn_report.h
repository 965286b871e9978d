// SPDX-License-Identifier: Apache-2.0
// `precipice warn`: which stored signal warns of divergence, how early, at what rate of false alarms, and whether it
// does better than what anyone logs (metrics/warning). A verdict is given only where the data allow it:
//   warns      AUC above 1/2, p < 0.05 after Holm over all signals and horizons shown
//   inverse    below 1/2 in the same sense: the signal falls before divergence
//   undecided  neither
//   n too small, constant, not computable: with the reason
// Compared are runs of equal settings, which differ in nothing but their seeds, unless other settings are asked for:
// between settings any quantity that follows from them looks like a warning.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "experiments/statistics/statistics_json.h"
#include "experiments/statistics/sweep_data.h"

namespace precipice {

inline constexpr std::int64_t kAlarmDelay =
    50;  // alarms count from the end of the warm-up plus this: the loss has fallen

struct WarnOptions {
  std::vector<std::int64_t> horizons = {10, 50, 100};
  std::string rule = kDefaultRule;
  std::optional<std::vector<std::string>> within;  // axes in which compared runs must agree; none: all but the seeds
  std::int64_t from = -1;                          // first step of alarms; -1: warm-up + kAlarmDelay
};
inline constexpr std::size_t kShownSignals = 5;

// Throws ConfigError for a rule or an axis that does not exist.
Json warn_report(const SweepData& data, const WarnOptions& options);
// "best" has the signals' names, the most telling first: by the least p after Holm, then by the distance of the AUC
// from 1/2. The text shows the first kShownSignals of them, or all.
std::string warnings_text(const Json& report, bool all = false);

}  // namespace precipice
