// SPDX-License-Identifier: Apache-2.0
// The rules of divergence.h, recomputed from the window at every step.
#include "metrics/divergence/divergence.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "precision/base/check.h"

namespace precipice {
namespace {

constexpr double kMinSpread = 1e-10;

// Sums are taken afresh, oldest first: a running sum would carry rounding errors of values long gone.
double mean_of(const std::deque<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

void push(std::deque<double>& values, double value, std::size_t window) {
  values.push_back(value);
  if (values.size() > window) values.pop_front();
}

}  // namespace

SpikeCounter::SpikeCounter(std::int64_t window, double sigma)
    : window_(static_cast<std::size_t>(window)), sigma_(sigma) {
  PRECIPICE_CHECK(window >= 1 && sigma > 0, "spike window ", window, ", sigma ", sigma);
}

bool SpikeCounter::observe(double value) {
  bool spike = !std::isfinite(value);
  if (!spike && values_.size() == window_) {
    const double mean = mean_of(values_);
    double squares = 0;
    for (const double v : values_) squares += (v - mean) * (v - mean);
    const double sd = std::sqrt(squares / static_cast<double>(window_));
    spike = sd >= kMinSpread && value > mean + sigma_ * sd;
  }
  if (std::isfinite(value)) push(values_, value, window_);
  count_ += spike;
  return spike;
}

DivergenceDetector::DivergenceDetector(const DivergenceConfig& config)
    : config_(config),
      loss_spikes_(config.spike_window, config.spike_sigma),
      grad_spikes_(config.spike_window, config.spike_sigma),
      minimum_(std::numeric_limits<double>::infinity()) {
  PRECIPICE_CHECK(config.window >= 1 && config.patience >= 1, "window ", config.window, ", patience ", config.patience);
  PRECIPICE_CHECK(config.margin >= 0 && config.relative_margin >= 0, "margin ", config.margin);
}

void DivergenceDetector::observe(std::int64_t step, double loss, double grad_norm) {
  PRECIPICE_CHECK(step > last_step_, "step ", step, " after ", last_step_);
  last_step_ = step;
  loss_spikes_.observe(loss);
  grad_spikes_.observe(grad_norm);
  if (std::isfinite(loss)) push(recent_, loss, static_cast<std::size_t>(config_.window));
  if (divergence_) return;
  if (!std::isfinite(loss))
    divergence_ = {step, "non-finite loss"};
  else if (is_risen(step))
    divergence_ = {above_since_, "loss risen"};
}

bool DivergenceDetector::is_risen(std::int64_t step) {
  if (4 * static_cast<std::int64_t>(recent_.size()) < config_.window) return false;
  const double mean = loss_mean();
  minimum_ = std::min(minimum_, mean);
  if (mean <= minimum_ + std::max(config_.margin, config_.relative_margin * minimum_)) {
    above_count_ = 0;
    return false;
  }
  if (above_count_ == 0) above_since_ = step;
  return ++above_count_ >= config_.patience;
}

double DivergenceDetector::loss_mean() const {
  return recent_.empty() ? std::numeric_limits<double>::quiet_NaN() : mean_of(recent_);
}

}  // namespace precipice
