// SPDX-License-Identifier: Apache-2.0
// `precipice stats --json`: intervals and tests for one's own numbers. In: one JSON object whose parts are all
// optional, with a list of named groups each (docs/METRICS.md, "Statistics", has every part with an example):
//   counts [{name, events, trials}]  survival [{name, times, events}]  values [{name, values}]
//     with "seeds" a list beside values, times or a list of events: groups whose seeds match are compared by their pairs
//   scores [{name, cases, controls}]  lr_sensitivity [{name, losses, initial_loss}]
//   power [{p, q} or {effect}]  p_values [...]  confidence 0.95  seed 0
// Out: the same parts, each with an interval per group and a test per pair of groups, Holm-adjusted within the part.
#pragma once

#include <string>

namespace precipice {

inline constexpr std::size_t kMaxStatsBytes = std::size_t{64} << 20;

// Throws DataError naming the place ("standard input: counts[1].events = 9"), what is allowed, and the nearest key.
std::string answer_statistics(const std::string& text);

}  // namespace precipice
