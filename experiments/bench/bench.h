// SPDX-License-Identifier: Apache-2.0
// precipice bench: how fast the parts are against a reference that is timed beside them, pair by pair, so that a
// drifting machine moves both. Never a bare time: every row is a ratio ours / reference, its median and its spread.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "train/config/run_config.h"
#include "train/run/opened_device.h"

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

// Where the parts are timed that know other devices than the CPU. Work there is queued: whoever takes its time waits.
struct BenchDevice {
  DeviceKind kind = DeviceKind::Cpu;
  TrainingDevice training = {};
  DeviceFields fields = {};  // empty for the CPU
  std::function<void()> wait = [] {};
  // Whether the CPU only stands in for a GPU (precision/quantize/torch_cuda.h): what is timed there is that.
  bool is_stand_in() const { return !fields.device.empty() && !training.device.is_cuda(); }
};
// The first GPU that is visible, ready. Throws ConfigError where there is none.
BenchDevice open_bench_device();

struct BenchOptions {
  std::string part = "all";  // one of bench_parts()
  std::string size = "all";  // of the models of step: tiny small mid all
  bool quick = false;        // a sixteenth of the elements and fewer repetitions, for a first look
  int threads = 1;           // of quantizers, matmuls, linears and steps
  BenchDevice device = {};
  // Repetitions, or steps of one: once where times mean nothing.
  int times(int quick_times, int full_times) const {
    return device.is_stand_in() ? 1 : quick ? quick_times : full_times;
  }
};
// all roofline quantize scaling gemm attention accumulator linear step optimizer sweep growth
std::vector<std::string> bench_parts();
// Those that another device than the CPU has.
std::vector<std::string> bench_parts_on_device();

struct BenchReport {
  int threads = 1;
  std::vector<BenchRow> rows;
  bool quick = false;
  DeviceFields device = {};  // empty for the CPU
  bool times_mean_nothing = false;
};
// Throws ConfigError for a part that the device does not have.
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
// On a device: copies, matmuls, quantizers and attention, queued.
void bench_on_device(const BenchOptions& options, const std::string& part, std::vector<BenchRow>& rows);
// These on any device.
void bench_steps(const BenchOptions& options, std::vector<BenchRow>& rows);
void bench_optimizer(const BenchOptions& options, std::vector<BenchRow>& rows);
// Rows have a limit of 2: growth beyond it is a library that takes its slow way for some shape.
void bench_growth(const BenchOptions& options, std::vector<BenchRow>& rows);

// The same GPT as train/model/model, written with torch::nn modules, torch::optim::AdamW and clip_grad_norm_.
class ReferenceTrainer {
 public:
  // fused: scaled_dot_product_attention
  ReferenceTrainer(const RunConfig& config, bool fused_attention, at::Device device = at::kCPU);
  ~ReferenceTrainer();
  double step();  // one update on a fixed batch; the loss

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace precipice
