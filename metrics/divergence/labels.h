// SPDX-License-Identifier: Apache-2.0
// What happened to a run, by every published definition, recomputed from its stored series; docs/METRICS.md, "Labels",
// compares them. x(t): training loss or gradient norm at the t-th logged step.
//   divergence       the run's own detector with its own keys (divergence.h): what ended the run. The default.
//   hard             NaN or inf, or the mean of 100 losses above its minimum so far by max(0.5 nat, 10 %) for 2 % of
//                    the run's steps
//   soft             final moving average of the loss above the reference format's seeds by 3 sd
//   olmo2            spike score: share of x at least 7 sd from the mean of the last 1000 values
//                    (arXiv 2501.00656, 3.2)
//   olmo-core        x > mean + 6 sd of the 128 values before it (StabilityMonitor)
//   llm.c            z-score of x in a window of 128 that contains it above 5 (llmc/outlier_detector.h suggests 3 to 5)
//   systems-scaling  first step at which the mean of 100 losses rises by more than 0.008 (2506.20752, its notebook)
//   palm             episodes of olmo-core loss spikes; PaLM restarts 100 steps before one and skips 200 to 500 batches
//                    (arXiv 2204.02311, 5.1), so a spike within 500 steps of the last belongs to its episode
//   jump             loss above the mean of the 5 before it by max(0.5 nat, 10 %): needs no window of statistics, so it
//                    sees the first steps, for which the rules above are blind
//   untrained        all steps done, none of it a divergence, and the final loss not below the unigram entropy of the
//                    data; skipped: half of the steps or more left out by the loss scale (metrics/log/run_outcome.h)
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "metrics/divergence/divergence.h"

namespace precipice {

struct LabelInput {
  std::vector<std::int64_t> steps;
  std::vector<double> loss, grad_norm;  // one per step; grad_norm may be empty: not logged
  std::vector<double> skipped;          // 1 where the loss scale left the step out; empty: not logged
  double validation_loss = std::numeric_limits<double>::quiet_NaN();  // after the last step
  double unigram_floor = std::numeric_limits<double>::quiet_NaN();    // of the data; NaN: not logged
  std::int64_t total_steps = 0;                                       // wanted
  std::int64_t warmup_steps = 0;
  bool finished = true;       // nothing is left to train; others may still do anything
  bool stopped = false;       // ended by its own detector: what would have followed is not known
  DivergenceConfig detector;  // the run's keys
};

enum class Outcome { No, Yes, Undecided };
const char* to_string(Outcome outcome);  // "no", "yes", "undecided"

struct Label {
  std::string rule;
  Outcome outcome = Outcome::Undecided;
  std::int64_t step = -1;  // first step that the rule names; -1: none
  double value = 0;        // the rule's own number: score, count, z, rise; NaN where it has none
  std::string reason;      // one sentence, never empty
  bool in_warmup = false;  // the step lies in the learning rate's warm-up
};

struct LabelRule {
  const char* name;
  const char* source;
  bool needs_reference;  // soft: compares runs
  Label (*apply)(const LabelInput& input);
};
std::span<const LabelRule> label_rules();
const LabelRule* find_label_rule(const std::string& name);
inline constexpr const char* kDefaultRule = "divergence";

// Moving average of the finite losses with weight 1/50 for a new one, from the first loss, corrected for its start; NaN
// without any.
double final_average_loss(const LabelInput& input);

// The run's final average against those of the reference's other seeds; `diverged`: by the default rule.
Label soft_failure(const LabelInput& input, bool diverged, std::span<const double> reference);

}  // namespace precipice
