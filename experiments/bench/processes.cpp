// SPDX-License-Identifier: Apache-2.0
// Whole processes of this program: how long they take to start, what they hold, and what a sweep adds to its runs'
// steps.
#include <fmt/format.h>

#include "experiments/bench/bench.h"
#include "experiments/bench/child_process.h"
#include "metrics/files/files.h"
#include "train/config/metric_intervals.h"

namespace precipice {
namespace {

// Sizes of the memory row: mid of the step benchmark.
constexpr double kLayers = 6, kWidth = 384, kHeads = 6, kContext = 256, kBatch = 8, kVocabulary = 65;

// MB that a GPT in a recipe of one scale per tensor must hold when its backward pass begins: weights, gradients and two
// moments, and what that pass reads. Per token and layer: both streams before a norm and the input of GELU in fp32 (6
// C), attention weights in fp32 and as an operand (6 bytes each); the operands of the other products as bf16: x of qkv,
// proj and up (C each), q, k and v (3 C), x of down (4 C). At the end a stream, an operand, logits and their gradient.
double least_memory() {
  const double tokens = kBatch * kContext;
  const double parameters = 12 * kLayers * kWidth * kWidth + (kVocabulary + kContext + 13 * kLayers) * kWidth;
  const double layer = 4 * 6 * kWidth + 6 * kHeads * kContext + 2 * 10 * kWidth;
  return (16 * parameters + tokens * (kLayers * layer + 6 * kWidth + 8 * kVocabulary)) / (1 << 20);
}

}  // namespace

void bench_processes(const BenchOptions& options, std::vector<BenchRow>& rows) {
  const BenchFolder folder;
  const auto start = [](int) { return run_child({"--version"}).first; };
  start(0);
  BenchRow starts{"start of the program (goal 0.6 s)", "0.6 s", 1, {}, {}};
  for (int i = 0; i < 5; ++i) starts.ours.push_back(start(i)), starts.theirs.push_back(0.6);
  starts.rate = fmt::format("{:.2f} s", median(starts.ours));
  rows.push_back(starts);

  const std::string config = folder / "bench.toml";
  write_file_atomic(config,
                    "[model]\nlayers = 2\nwidth = 64\nheads = 2\ncontext = 64\n[data]\nvocabulary = 65\n"
                    "[train]\nbatch = 16\n[precision]\nrecipe = \"fp8\"\n");
  int count = 0;
  const auto train = [&](std::int64_t steps) {
    return run_child({"train", config, fmt::format("train.steps={}", steps), "--out",
                      folder / fmt::format("run{}", count++).c_str(), "--quiet"});
  };
  const std::int64_t steps = options.quick ? 100 : 300, runs = options.quick ? 8 : 64;
  BenchRow sweep{
      fmt::format("sweep of {} tiny runs x {} steps, 2 jobs", runs, steps), "the steps' own time / 2", 1.15, {}, {}};
  for (int i = 0; i < (options.quick ? 1 : 3); ++i) {
    // The difference of two runs of one process each leaves start, data and files out.
    const double own = train(2 * steps).first - train(steps).first;
    sweep.theirs.push_back(own * static_cast<double>(runs) / 2);
    sweep.ours.push_back(
        run_child({"sweep", config, fmt::format("train.steps={}", steps), fmt::format("seed=range(0,{})", runs),
                   "--jobs", "2", "--out", folder / fmt::format("sweep{}", i).c_str()})
            .first);
  }
  sweep.rate = fmt::format("{:.2f} s a run", 2 * median(sweep.ours) / static_cast<double>(runs));
  rows.push_back(sweep);

  const auto peak = [&](double layers, double width, double heads, double context, double batch) {
    std::vector<std::string> arguments{"train",
                                       config,
                                       fmt::format("model.layers={}", layers),
                                       fmt::format("model.width={}", width),
                                       fmt::format("model.heads={}", heads),
                                       fmt::format("model.context={}", context),
                                       fmt::format("train.batch={}", batch),
                                       "model.bias=true",
                                       "train.steps=3",
                                       "train.eval_every=0"};
    for (const MetricInterval& interval : metric_intervals())
      arguments.push_back(fmt::format("metrics.{}_every=0", interval.name));
    arguments.insert(arguments.end(), {"--quiet", "--out", folder / fmt::format("run{}", count++).c_str()});
    return run_child(std::move(arguments)).second;
  };
  // The program by itself, with its libraries, is what a model of a few numbers takes.
  BenchRow memory{
      "memory of a run, mid 6x384 in fp8, above an empty one's", "weights, moments and live activations", 1.3, {}, {}};
  for (int i = 0; i < (options.quick ? 1 : 3); ++i) {
    memory.ours.push_back(peak(kLayers, kWidth, kHeads, kContext, kBatch) - peak(1, 8, 1, 2, 1));
    memory.theirs.push_back(least_memory());
  }
  memory.rate = fmt::format("{:.0f} MB", median(memory.ours));
  rows.push_back(memory);
}

}  // namespace precipice
