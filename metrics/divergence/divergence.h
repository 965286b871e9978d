// SPDX-License-Identifier: Apache-2.0
// Divergence as a result, with step and reason. Three rules; m(t) is the mean of the last min(n, window) finite losses.
//   non-finite: the loss is NaN or infinite; the step is that step.
//   risen:      m(t) > minimum + max(margin, relative_margin * minimum) in `patience` observed steps in a row; the step
//               is the first of them. minimum is the least m so far over at least ceil(window / 4) losses: a mean of
//               fewer is too noisy to be a yardstick, and waiting for a full window would take a run that jumps within
//               its first steps for one that started high.
//   spikes:     counts only, never an end: see SpikeCounter.
// A run that never learns (loss constant at ln V) has not diverged. The first rule met stays; later steps only count.
// The state is a pure function of the values observed: a resumed run replays its journal's rows through observe(), so
// nothing is saved. "risen" after the hard-divergence labels in use for LLM runs (a trailing mean above its running
// minimum by max(0.5 nat, 10 %), not recovered); all constants are configurable and the raw series are logged, so that
// any other rule can be computed afterwards.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

namespace precipice {

struct DivergenceConfig {
  double margin = 0.5;           // nats
  double relative_margin = 0.1;  // of the running minimum
  std::int64_t window = 20;      // steps in the trailing mean
  std::int64_t patience = 50;    // steps that the mean must stay above
  bool stop = true;              // end the run at divergence
  std::int64_t spike_window = 128;
  double spike_sigma = 6.0;
};

struct Divergence {
  std::int64_t step = -1;  // -1: none; for `risen` the step at which the trailing mean left the margin for good
  std::string reason;      // "", "non-finite loss", "loss risen"
  explicit operator bool() const { return step >= 0; }
};

// One-sided z-score spike counter over the `window` values before the new one. A finite value is a spike when the
// window is full, the population standard deviation sd of the window is at least 1e-10, and value > mean + sigma * sd;
// spike or not, it then enters the window. So a jump to a new level is counted only until the window has it as spread:
// at 128 values and 6 sigma at most 4 times. A non-finite value is always a spike and never enters the window. Rule of
// OLMo-core's StabilityMonitor (128 values, 6 sigma).
class SpikeCounter {
 public:
  SpikeCounter(std::int64_t window, double sigma);
  bool observe(double value);  // true: a spike
  std::int64_t count() const { return count_; }

 private:
  std::size_t window_;
  double sigma_;
  std::deque<double> values_;
  std::int64_t count_ = 0;
};

class DivergenceDetector {
 public:
  explicit DivergenceDetector(const DivergenceConfig& config);
  void observe(std::int64_t step, double loss, double grad_norm);  // steps must rise
  const Divergence& divergence() const { return divergence_; }
  double loss_mean() const;  // m of the last step; NaN before the first finite loss
  std::int64_t loss_spikes() const { return loss_spikes_.count(); }
  std::int64_t grad_spikes() const { return grad_spikes_.count(); }

 private:
  bool is_risen(std::int64_t step);

  DivergenceConfig config_;
  SpikeCounter loss_spikes_, grad_spikes_;
  std::deque<double> recent_;  // the last finite losses
  double minimum_;             // infinity until enough losses are there
  std::int64_t above_since_ = -1;
  std::int64_t above_count_ = 0;
  std::int64_t last_step_ = -1;
  Divergence divergence_;
};

}  // namespace precipice
