// SPDX-License-Identifier: Apache-2.0
// Rules that look for single values far from those before them. Constants are the sources'. A value that is not finite
// is a spike and never enters a window. All are blind until their window has values: a run shorter than that is
// undecided, and "no" says from where on it holds.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <functional>
#include <limits>

#include "metrics/divergence/rules.h"

namespace precipice::labels {
namespace {

constexpr std::size_t kWindow = 128;
constexpr double kMonitorSigma = 6;
constexpr std::size_t kOlmo2Window = 1000;
constexpr double kOlmo2Sigma = 7;
constexpr double kLlmcZ = 5;
constexpr double kMinSpread = 1e-10;    // StabilityMonitor's; a constant series has no spikes
constexpr std::int64_t kRestart = 100;  // PaLM

using Judge = std::function<bool(const std::deque<double>& window, double value)>;

// `least` values must lie in the window before a value is judged.
Spikes find_spikes(std::span<const double> series, std::size_t window, std::size_t least, const Judge& judge) {
  Spikes spikes;
  std::deque<double> before;
  for (std::size_t i = 0; i < series.size(); ++i) {
    const bool finite = std::isfinite(series[i]);
    if (!finite || before.size() >= least) {
      ++spikes.judged;
      if (!finite || judge(before, series[i])) spikes.rows.push_back(i);
    }
    if (!finite) continue;
    before.push_back(series[i]);
    if (before.size() > window) before.pop_front();
  }
  return spikes;
}

struct Moments {
  double mean = 0, sd = 0;
};

Moments moments_of(const std::deque<double>& values) {
  const std::vector<double> copy(values.begin(), values.end());
  return {mean(copy), deviation(copy)};
}

std::string share_text(const char* name, const Spikes& spikes) {
  if (spikes.judged == 0) return fmt::format("{} not judged", name);
  return fmt::format("{} {}/{}", name, spikes.rows.size(), spikes.judged);
}

Label of_two_series(const char* rule, const LabelInput& input, std::size_t least, const Spikes& loss,
                    const Spikes& grad) {
  if (loss.judged + grad.judged == 0)
    return undecided(rule, fmt::format("{} steps, the rule needs {}", input.steps.size(), least + 1));
  const double score =
      100.0 * static_cast<double>(loss.rows.size()) / static_cast<double>(std::max<std::size_t>(1, loss.judged));
  const std::string shares = share_text("loss", loss) + ", " + share_text("grad norm", grad);
  if (loss.rows.empty() && grad.rows.empty())
    return no(rule, fmt::format("{}; blind before row {}", shares, least), score);
  std::size_t first = std::numeric_limits<std::size_t>::max();
  for (const Spikes* spikes : {&loss, &grad})
    if (!spikes->rows.empty()) first = std::min(first, spikes->rows.front());
  return yes(rule, input, first, shares, score);
}

}  // namespace

Spikes monitor_spikes(std::span<const double> series) {
  return find_spikes(series, kWindow, kWindow, [](const std::deque<double>& window, double value) {
    const Moments m = moments_of(window);
    return m.sd >= kMinSpread && value > m.mean + kMonitorSigma * m.sd;
  });
}

// "At least seven standard deviations away from a rolling average of the last 1000 values": on either side. The paper
// does not say what happens before 1000 values are there; here the window grows, from 128 on.
Spikes olmo2_spikes(std::span<const double> series) {
  return find_spikes(series, kOlmo2Window, kWindow, [](const std::deque<double>& window, double value) {
    const Moments m = moments_of(window);
    return m.sd >= kMinSpread && std::abs(value - m.mean) >= kOlmo2Sigma * m.sd;
  });
}

Label olmo2(const LabelInput& input) {
  return of_two_series("olmo2", input, kWindow, olmo2_spikes(input.loss), olmo2_spikes(input.grad_norm));
}

Label olmo_core(const LabelInput& input) {
  return of_two_series("olmo-core", input, kWindow, monitor_spikes(input.loss), monitor_spikes(input.grad_norm));
}

// The window holds the new value, too, so z cannot exceed 127 / sqrt(127) = 11.3.
Spikes llm_c_spikes(std::span<const double> series) {
  return find_spikes(series, kWindow - 1, kWindow - 1, [](const std::deque<double>& before, double value) {
    std::deque<double> window = before;
    window.push_back(value);
    const Moments m = moments_of(window);
    return m.sd > 0 && (value - m.mean) / m.sd > kLlmcZ;
  });
}

Label llm_c(const LabelInput& input) {
  return of_two_series("llm.c", input, kWindow - 1, llm_c_spikes(input.loss), llm_c_spikes(input.grad_norm));
}

Label palm(const LabelInput& input) {
  constexpr const char* kRule = "palm";
  const Spikes spikes = monitor_spikes(input.loss);
  if (spikes.judged == 0)
    return undecided(kRule, fmt::format("{} steps, the rule needs {}", input.steps.size(), kWindow + 1));
  if (spikes.rows.empty()) return no(kRule, fmt::format("none; blind before row {}", kWindow));
  std::int64_t episodes = 0, last = std::numeric_limits<std::int64_t>::min() / 2;
  for (const std::size_t row : spikes.rows) {
    episodes += input.steps[row] - last > kPalmSkipped;
    last = input.steps[row];
  }
  const std::int64_t restart = std::max<std::int64_t>(0, input.steps[spikes.rows.front()] - kRestart);
  return yes(
      kRule, input, spikes.rows.front(),
      fmt::format("{} episode{}; the first would restart at step {}", episodes, episodes == 1 ? "" : "s", restart),
      static_cast<double>(episodes));
}

}  // namespace precipice::labels
