// SPDX-License-Identifier: Apache-2.0
// precipice bench: how fast the parts are against a reference that is timed beside them, pair by pair, so that a
// drifting machine moves both. Never a bare time: every row is a ratio ours / reference, its median and its spread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "train/config/run_config.h"

namespace precipice {

struct BenchRow {
  std::string work, reference;
  double goal = 0;                   // ratio to stay at or below; 0: none stated
  std::vector<double> ours, theirs;  // seconds, by repetition
  std::string rate = {};             // what the median time means in the work's own unit, in words
  int units = 1;                     // how many of it (steps) one repetition of ours is
  double limit = 0;                  // a median ratio above it is a fault; 0: none
  double ratio() const;              // median of the pairwise ratios
  double lowest() const;             // smallest and largest of them
  double highest() const;
};

double median(std::vector<double> values);

// Runs the two in turn, `repetitions` times after one warm-up of each.
BenchRow compare(const std::string& work, const std::string& reference, double goal, int repetitions,
                 const std::function<void()>& ours, const std::function<void()>& theirs);

struct BenchOptions {
  std::string part = "all";  // one of bench_parts()
  std::string size = "all";  // of the models of step: tiny small mid all
  bool quick = false;        // a sixteenth of the elements and fewer repetitions, for a first look
  int threads = 1;           // of quantizers, matmuls, linears and steps
};
std::vector<std::string> bench_parts();  // all roofline quantize scaling gemm accumulator linear step optimizer sweep growth

struct BenchReport {
  int threads = 1;
  std::vector<BenchRow> rows;
  bool quick = false;
};
BenchReport run_bench(const BenchOptions& options);
std::string to_text(const BenchReport& report);
std::string to_json(const BenchReport& report);
// The rows whose ratio is above their limit, one sentence each.
std::vector<std::string> bench_faults(const BenchReport& report);

// The parts; each appends its rows. bench_processes: whole processes of this program, before anything else, as the peak
// of a forked process counts what its parent held.
void bench_processes(const BenchOptions& options, std::vector<BenchRow>& rows);
void bench_roofline(const BenchOptions& options, std::vector<BenchRow>& rows);  // of one core
void bench_quantize(const BenchOptions& options, std::vector<BenchRow>& rows);
void bench_scaling(const BenchOptions& options, std::vector<BenchRow>& rows);
void bench_gemm(const BenchOptions& options, std::vector<BenchRow>& rows);
void bench_accumulators(const BenchOptions& options, std::vector<BenchRow>& rows);
void bench_linear(const BenchOptions& options, std::vector<BenchRow>& rows);
void bench_steps(const BenchOptions& options, std::vector<BenchRow>& rows);
void bench_optimizer(const BenchOptions& options, std::vector<BenchRow>& rows);
// Rows have a limit of 2: growth beyond it is a library that takes its slow way for some shape.
void bench_growth(const BenchOptions& options, std::vector<BenchRow>& rows);

// The same GPT as train/model/model, written with torch::nn modules, torch::optim::AdamW and clip_grad_norm_.
class ReferenceTrainer {
 public:
  ReferenceTrainer(const RunConfig& config, bool fused_attention);  // fused: scaled_dot_product_attention
  ~ReferenceTrainer();
  double step();  // one update on a fixed batch; the loss

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace precipice
