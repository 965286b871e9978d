// SPDX-License-Identifier: Apache-2.0
// Rules that ask whether the loss went up for good.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "metrics/divergence/rules.h"

namespace precipice::labels {
namespace {

constexpr std::int64_t kHardWindow = 100;
constexpr double kHardPatience = 0.02;  // of the run's steps
constexpr std::size_t kScalingWindow = 100;
constexpr double kScalingRise = 0.008;
constexpr std::size_t kJumpWindow = 5;
constexpr double kMargin = 0.5, kRelativeMargin = 0.1;  // as the hard rule's

DivergenceDetector detect(const LabelInput& input, const DivergenceConfig& config) {
  DivergenceDetector detector(config);
  for (std::size_t i = 0; i < input.steps.size(); ++i)
    detector.observe(input.steps[i], input.loss[i], input.grad_norm.empty() ? 0 : input.grad_norm[i]);
  return detector;
}

Label of_detector(const char* rule, const LabelInput& input, const DivergenceConfig& config) {
  if (input.steps.empty()) return undecided(rule, "no steps");
  const DivergenceDetector detector = detect(input, config);
  if (const Divergence found = detector.divergence()) {
    const std::size_t row = row_of_step(input, found.step);
    return yes(rule, input, row, found.reason, input.loss[row]);
  }
  if (input.stopped) return undecided(rule, "the run was stopped before the rule could tell");
  if (!input.finished) return undecided(rule, fmt::format("none up to step {}, and not ended", input.steps.back()));
  return no(rule, "none", detector.loss_mean());
}

}  // namespace

Label divergence(const LabelInput& input) {
  return of_detector("divergence", input, input.detector);
}

Label hard(const LabelInput& input) {
  DivergenceConfig config;
  config.window = kHardWindow;
  config.patience = std::max<std::int64_t>(
      1, static_cast<std::int64_t>(std::ceil(kHardPatience * static_cast<double>(input.total_steps))));
  return of_detector("hard", input, config);
}

Label systems_scaling(const LabelInput& input) {
  constexpr const char* kRule = "systems-scaling";
  const std::size_t n = input.loss.size();
  if (n <= kScalingWindow) return undecided(kRule, fmt::format("{} losses, the rule needs {}", n, kScalingWindow + 1));
  const std::span<const double> losses(input.loss);
  double before = mean(losses.subspan(0, kScalingWindow));
  for (std::size_t i = kScalingWindow; i < n; ++i) {
    const double now = mean(losses.subspan(i + 1 - kScalingWindow, kScalingWindow));
    // A NaN or an infinity makes the mean one, and is no smaller a rise.
    if (!(now - before <= kScalingRise))
      return yes(kRule, input, i, fmt::format("100-step mean rose by {:.4f} in a step", now - before), now - before);
    before = now;
  }
  return no(kRule, fmt::format("none; blind before row {}", kScalingWindow));
}

Spikes jump_spikes(std::span<const double> loss) {
  Spikes spikes;
  for (std::size_t i = kJumpWindow; i < loss.size(); ++i) {
    const double before = mean(loss.subspan(i - kJumpWindow, kJumpWindow)), here = loss[i] - before;
    if (!std::isfinite(before)) continue;
    ++spikes.judged;
    // A loss that is NaN is a jump.
    if (!(here <= std::max(kMargin, kRelativeMargin * before))) spikes.rows.push_back(i);
  }
  return spikes;
}

Label jump(const LabelInput& input) {
  constexpr const char* kRule = "jump";
  const std::size_t n = input.loss.size();
  if (n <= kJumpWindow) return undecided(kRule, fmt::format("{} losses, the rule needs {}", n, kJumpWindow + 1));
  const Spikes spikes = jump_spikes(input.loss);
  if (spikes.rows.empty()) return no(kRule, "none");
  const std::size_t first = spikes.rows.front();
  const double rise = input.loss[first] - mean(std::span(input.loss).subspan(first - kJumpWindow, kJumpWindow));
  return yes(kRule, input, first,
             fmt::format("loss {:+.4f} over the 5 before; {} such steps", rise, spikes.rows.size()), rise);
}

}  // namespace precipice::labels
