// SPDX-License-Identifier: Apache-2.0
// Verdict, reason and sentence of a comparison, from its numbers. The sentence carries n, effect, interval and test.
#pragma once

#include <string>

#include "experiments/statistics/format_comparisons.h"

namespace precipice {

// `what` the events are: "diverged". `comparisons`: how many share Holm's level.
void add_words(OutcomeComparison& pair, const std::string& what, std::size_t comparisons);
void add_words(SurvivalComparison& pair);
void add_words(LossComparison& pair);

}  // namespace precipice
