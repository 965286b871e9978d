// SPDX-License-Identifier: Apache-2.0
// The rules behind labels.h; private to metrics/divergence.
#pragma once

#include "metrics/divergence/labels.h"

namespace precipice::labels {

Label divergence(const LabelInput& input);
Label hard(const LabelInput& input);
Label systems_scaling(const LabelInput& input);
Label jump(const LabelInput& input);
Label untrained(const LabelInput& input);
Label skipped(const LabelInput& input);
Label olmo2(const LabelInput& input);
Label olmo_core(const LabelInput& input);
Label llm_c(const LabelInput& input);
Label palm(const LabelInput& input);

// Rows at which the training loss spikes by a rule.
struct Spikes {
  std::vector<std::size_t> rows;
  std::size_t judged = 0;  // values that the rule could judge
};
Spikes jump_spikes(std::span<const double> loss);
Spikes olmo2_spikes(std::span<const double> series);
Spikes monitor_spikes(std::span<const double> series);  // olmo-core's, and palm's
Spikes llm_c_spikes(std::span<const double> series);
inline constexpr std::int64_t kPalmSkipped = 500;  // steps within which a spike belongs to the last one's episode

Label no(const char* rule, const std::string& reason, double value = 0);
Label undecided(const char* rule, const std::string& reason);
// Yes at the step of row `row`, with the word on warm-up where that applies.
Label yes(const char* rule, const LabelInput& input, std::size_t row, const std::string& reason, double value);

std::size_t row_of_step(const LabelInput& input, std::int64_t step);
double mean(std::span<const double> values);
// Square root of the mean squared distance from the mean, with n (population).
double deviation(std::span<const double> values);

}  // namespace precipice::labels
