// SPDX-License-Identifier: Apache-2.0
#include "metrics/divergence/labels.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "metrics/divergence/rules.h"
#include "precision/base/check.h"
#include "precision/base/special_numbers.h"

namespace precipice {
namespace {

constexpr double kAverageWeight = 1.0 / 50;
constexpr double kSoftSigma = 3;
constexpr std::size_t kMinReference = 3;  // seeds that make a band

constexpr LabelRule kRules[] = {
    {"divergence", "metrics/divergence/divergence.h with the run's keys", false, labels::divergence},
    {"hard", "100-step mean against its minimum", false, labels::hard},
    {"soft", "reference seeds + 3 sd", true, nullptr},
    {"olmo2", "arXiv 2501.00656, 3.2", false, labels::olmo2},
    {"olmo-core", "StabilityMonitor", false, labels::olmo_core},
    {"llm.c", "outlier_detector.h", false, labels::llm_c},
    {"systems-scaling", "arXiv 2506.20752", false, labels::systems_scaling},
    {"palm", "arXiv 2204.02311, 5.1", false, labels::palm},
    {"jump", "5 steps before", false, labels::jump},
    {"untrained", "metrics/log/run_outcome.h", false, labels::untrained},
    {"skipped", "metrics/log/run_outcome.h", false, labels::skipped},
};

}  // namespace

const char* to_string(Outcome outcome) {
  return outcome == Outcome::Yes ? "yes" : outcome == Outcome::No ? "no" : "undecided";
}

std::span<const LabelRule> label_rules() {
  return kRules;
}

const LabelRule* find_label_rule(const std::string& name) {
  const auto rule =
      std::find_if(std::begin(kRules), std::end(kRules), [&](const LabelRule& r) { return r.name == name; });
  return rule == std::end(kRules) ? nullptr : rule;
}

double final_average_loss(const LabelInput& input) {
  double sum = 0, weight = 0;
  for (const double loss : input.loss) {
    if (!std::isfinite(loss)) continue;
    sum += kAverageWeight * (loss - sum);
    weight += kAverageWeight * (1 - weight);
  }
  return weight > 0 ? sum / weight : kNaN;
}

Label soft_failure(const LabelInput& input, bool diverged, std::span<const double> reference) {
  constexpr const char* kRule = "soft";
  if (diverged) {
    Label label{kRule, Outcome::Yes, input.steps.empty() ? -1 : input.steps.back(), kNaN, "diverged", false};
    return label;
  }
  if (!input.finished) return labels::undecided(kRule, "the run has not ended");
  if (reference.size() < kMinReference)
    return labels::undecided(
        kRule, fmt::format("n too small: {} other reference seeds, {} make a band", reference.size(), kMinReference));
  const double last = final_average_loss(input), centre = labels::mean(reference);
  if (std::isnan(last)) return labels::undecided(kRule, "no finite loss");
  const auto n = static_cast<double>(reference.size());
  const double sd = labels::deviation(reference) * std::sqrt(n / (n - 1)), limit = centre + kSoftSigma * sd;
  const double z = sd > 0 ? (last - centre) / sd : kNaN;
  const std::string reason = fmt::format("final average {:.4f}, limit {:.4f} ({:.4f} + 3 x {:.4f} of {} seeds)", last,
                                         limit, centre, sd, reference.size());
  if (sd == 0) return labels::undecided(kRule, "the reference seeds agree in every digit: a band without width");
  return last > limit ? labels::yes(kRule, input, input.steps.size() - 1, reason, z) : labels::no(kRule, reason, z);
}

namespace labels {

Label no(const char* rule, const std::string& reason, double value) {
  return {rule, Outcome::No, -1, value, reason, false};
}

Label undecided(const char* rule, const std::string& reason) {
  return {rule, Outcome::Undecided, -1, kNaN, reason, false};
}

Label yes(const char* rule, const LabelInput& input, std::size_t row, const std::string& reason, double value) {
  const std::int64_t step = input.steps[row];
  const bool in_warmup = step < input.warmup_steps;
  return {rule, Outcome::Yes, step, value, reason + (in_warmup ? " (in warm-up)" : ""), in_warmup};
}

std::size_t row_of_step(const LabelInput& input, std::int64_t step) {
  const auto row = std::lower_bound(input.steps.begin(), input.steps.end(), step);
  PRECIPICE_CHECK(row != input.steps.end(), step);
  return static_cast<std::size_t>(row - input.steps.begin());
}

double mean(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double deviation(std::span<const double> values) {
  const double centre = mean(values);
  double squares = 0;
  for (const double v : values) squares += (v - centre) * (v - centre);
  return std::sqrt(squares / static_cast<double>(values.size()));
}

}  // namespace labels
}  // namespace precipice
