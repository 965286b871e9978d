// SPDX-License-Identifier: Apache-2.0
// precipice bench: how fast the parts are against a reference that is timed beside them, pair by pair, so that a
// drifting machine moves both. Never a bare time: every row is a ratio ours / reference, its median and its spread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "train/run_config.h"

namespace precipice {

struct BenchRow {
  std::string work, reference;
  double goal = 0;                   // ratio to stay at or below; 0: none stated
  std::vector<double> ours, theirs;  // seconds, by repetition
  double ratio() const;              // median of the pairwise ratios
  double lowest() const;             // smallest and largest of them
  double highest() const;
};

// Runs the two in turn, `repetitions` times after one warm-up of each.
BenchRow compare(const std::string& work, const std::string& reference, double goal, int repetitions,
                 const std::function<void()>& ours, const std::function<void()>& theirs);

struct BenchReport {
  std::vector<BenchRow> rows;
  double peak_memory_mb = 0;  // of a default run in a process of its own
  double start_seconds = 0;   // from exec to the end of `precipice --version`
};

// quick: a sixteenth of the elements and fewer repetitions, for a first look.
BenchReport run_bench(bool quick);
std::string to_text(const BenchReport& report);
std::string to_json(const BenchReport& report);

// The same GPT as train/model, written with torch::nn modules, torch::optim::AdamW and clip_grad_norm_.
class ReferenceTrainer {
 public:
  ReferenceTrainer(const RunConfig& config, bool fused_attention);  // fused: scaled_dot_product_attention
  ~ReferenceTrainer();
  double step();  // one update on a fixed batch; the loss

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Quantizing 1024 x 1024 elements with the scales of several recipes, beside one scale for the tensor.
std::vector<BenchRow> bench_scaling(int repetitions);

// AdamW with clipping over `tensors` tensors of `size` elements: ours and torch's.
BenchRow bench_optimizer(int repetitions, int tensors, std::int64_t size);

}  // namespace precipice
