// SPDX-License-Identifier: Apache-2.0
// Spikes of a run as counts that can be compared: episodes, and the steps that the rule could judge. A rule that is blind
// for 128 of 400 steps has an exposure of 272 steps, so that "none" is not mistaken for evidence of absence.
// Spikes at most kEpisodeGap steps after the last one of their episode belong to it; palm's episodes are its own, 500 steps.
// Rules: jump, and of the training loss olmo2, olmo-core, llm.c and palm (metrics/divergence/labels.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "metrics/divergence/labels.h"

namespace precipice {

inline constexpr std::int64_t kEpisodeGap = 5;

struct Episodes {
  std::vector<std::int64_t> steps;  // at which each episode begins
  std::int64_t judged = 0;          // logged steps that the rule could judge
  std::int64_t blind = 0;           // those that it could not
};

std::vector<std::string> episode_rules();
// Throws ConfigError for a rule without episodes.
Episodes find_episodes(const std::string& rule, const LabelInput& input);

}  // namespace precipice
