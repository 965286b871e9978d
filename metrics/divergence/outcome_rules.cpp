// SPDX-License-Identifier: Apache-2.0
// Rules that ask whether a run that did not diverge was trained at all.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "metrics/divergence/rules.h"
#include "metrics/log/run_outcome.h"

namespace precipice::labels {

Label untrained(const LabelInput& input) {
  constexpr const char* kRule = "untrained";
  if (input.steps.empty()) return undecided(kRule, "no steps");
  if (!input.finished) return undecided(kRule, "the run has not ended");
  if (divergence(input).outcome == Outcome::Yes) return no(kRule, "diverged");
  if (std::isnan(input.unigram_floor)) return undecided(kRule, "the unigram entropy of the data was not logged");
  const double loss = std::isnan(input.validation_loss) ? final_training_loss(input.loss) : input.validation_loss;
  const std::string reason = fmt::format("final loss {:.4f}, unigram entropy {:.4f}", loss, input.unigram_floor);
  return loss < input.unigram_floor ? no(kRule, reason, loss) : yes(kRule, input, input.steps.size() - 1, reason, loss);
}

Label skipped(const LabelInput& input) {
  constexpr const char* kRule = "skipped";
  if (input.skipped.empty()) return undecided(kRule, "not logged");
  const auto is_skipped = [](double value) { return value != 0; };
  const std::int64_t count = std::ranges::count_if(input.skipped, is_skipped);
  const auto steps = static_cast<std::int64_t>(input.skipped.size());
  const std::string reason = skipped_text(count, steps);
  const double share = static_cast<double>(count) / static_cast<double>(steps);
  if (!input.finished) return undecided(kRule, reason + ", and not ended");
  if (2 * count < steps) return no(kRule, reason, share);
  const auto first = std::ranges::find_if(input.skipped, is_skipped) - input.skipped.begin();
  return yes(kRule, input, static_cast<std::size_t>(first), reason, share);
}

}  // namespace precipice::labels
