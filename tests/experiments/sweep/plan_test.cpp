// SPDX-License-Identifier: Apache-2.0
#include "experiments/sweep/plan.h"

#include <limits>

#include "experiments/sweep/jobs.h"
#include "experiments/sweep/step_timing.h"
#include "tests/support/catch.h"
#include "tests/support/tiny_run.h"
#include "train/estimates/kept_memory.h"
#include "train/recipes/recipes.h"

using namespace precipice;
using Catch::Contains;
using test::tiny_config;

namespace {

double needed(const RunConfig& config) {
  return estimate_memory(config, library_bytes()).bytes();
}

std::vector<SweepRun> runs_of(std::size_t count) {
  std::vector<SweepRun> runs;
  for (std::size_t i = 0; i < count; ++i)
    runs.push_back({std::to_string(i), {}, tiny_config({"train.batch=2000", "seed=" + std::to_string(i)}), {}});
  return runs;
}

std::vector<const SweepRun*> pointers_to(const std::vector<SweepRun>& runs) {
  std::vector<const SweepRun*> pointers;
  for (const SweepRun& run : runs) pointers.push_back(&run);
  return pointers;
}

}  // namespace

TEST_CASE("a forward pass keeps for the backward pass what its operations are made to keep") {
  // Two layers, T = 64 tokens of 16, MLP 64, 24 symbols, 2 heads over 16 positions: 2048 attention weights.
  const RunConfig config = tiny_config({"precision.recipe=fp32"});
  const PassMemory pass = pass_memory(config, make_policy(config.precision, config.model), {4, false, false});
  CHECK(pass.stream == 5 * 64 * (4 * 16 + 8));
  // Inputs of qkv, proj, up and down, queries, keys and values as they are; of the head.
  CHECK(pass.operands == 2 * 64 * 4 * (16 + 16 + 16 + 64 + 3 * 16) + 64 * 4 * 16);
  CHECK(pass.attention == 2 * 2048 * 4);
  CHECK(pass.activation == 2 * 64 * 64 * 4);
  CHECK(pass.weight_operands == 0);
  CHECK(pass.logits == 64 * 24 * 4);

  // Flash attention keeps scores in the weights' place, a sum for each row, and its output where that is kept before
  // attn.proj rounds it.
  const auto attention_of = [](const std::string& rule) {
    const RunConfig flash = tiny_config({"precision.recipe=fp32", "precision.rules=attn.pv -> " + rule});
    const PrecisionSchedule schedule = make_schedule(flash.precision, flash.model, flash.train.steps);
    return pass_memory(flash, schedule.at_step(0), {4, false, false}).attention;
  };
  CHECK(attention_of("flash=true") == pass.attention + 2 * 128 * 4);
  CHECK(attention_of("flash=true flash_delta=weights") == pass.attention + 2 * 128 * 4);
  CHECK(attention_of("flash=true flash_delta=unrounded") == pass.attention + 2 * (128 + 64 * 16) * 4);

  // On the fp32 carrier copies of operands and weights are fp32 as well, beside the weights themselves.
  const RunConfig rounded = tiny_config({"precision.recipe=bf16", "precision.carrier=fp32"});
  const PassMemory copies = pass_memory(rounded, make_policy(rounded.precision, rounded.model), {4, false, false});
  CHECK(copies.weight_operands == 4 * (2 * 12 * 16 * 16 + 24 * 16));
  CHECK(copies.operands == pass.operands);
}

TEST_CASE("memory of a plan has every term of a run's arrays") {
  const auto term = [](const RunConfig& config, const std::string& name) {
    double bytes = 0;
    for (const MemoryTerm& one : estimate_memory(config, 0).terms) bytes += one.name == name ? one.bytes : 0;
    return bytes;
  };
  const std::string state = "weights, gradients and moments";
  const double parameters = static_cast<double>(plan_run(tiny_config()).parameters);
  CHECK(term(tiny_config(), state) == 4 * 4 * parameters);
  CHECK(term(tiny_config({"optimizer.kind=sgd"}), state) == 3 * 4 * parameters);
  CHECK(term(tiny_config({"precision.recipe=bf16-pure:weights=bf16-kahan"}), state) == 5 * 4 * parameters);
  CHECK(term(tiny_config({"data.tokens=30000"}), "data") == 60000);
  // A run that logs more holds more.
  CHECK(term(tiny_config({"train.steps=2000000"}), "log") > 1000 * term(tiny_config(), "log"));
}

TEST_CASE("a run on a GPU keeps its steps in the GPU's memory and its checkpoints in the host's") {
  const std::vector<std::string> size = {"train.batch=64", "model.context=64", "model.width=64"};
  std::vector<std::string> on_gpu = size;
  on_gpu.emplace_back("device=cuda");
  const RunConfig here = tiny_config(size), there = tiny_config(on_gpu);
  const double on_cpu = estimate_memory(here, 0).bytes(), host = estimate_memory(there, 0).bytes(),
               gpu = estimate_gpu_memory(there).bytes();
  CHECK(host < on_cpu);
  for (const MemoryTerm& term : estimate_memory(there, 0).terms) CHECK(term.name != "weights, gradients and moments");
  CHECK(estimate_memory(there, 0).phase == "a checkpoint");
  // Attention is made of whole matrices there, and cuBLAS has its workspaces.
  CHECK(gpu > on_cpu - host);

  const std::vector<const RunConfig*> runs = {&there, &there, &there};
  CHECK(gpu_memory_problem(runs, 2, 2 * gpu).empty());
  CHECK_THAT(gpu_memory_problem(runs, 2, 2 * gpu - 1),
             Catch::StartsWith("2 runs at once need about ") && Contains(" are free; fewer `jobs` need less"));
  CHECK(gpu_memory_problem(runs, 9, 3 * gpu).empty());  // there are no more than three
  CHECK_THAT(gpu_memory_problem({&there}, 1, gpu / 2), Catch::StartsWith("the run needs about "));
  CHECK(runs_fitting_gpu(runs, 2 * gpu) == 2);
  CHECK(runs_fitting_gpu(runs, gpu / 2) == 1);
  CHECK(runs_fitting_gpu(runs, 9 * gpu) == 3);
  CHECK(runs_fitting_gpu({&here, &here}) == 2);  // no GPU is asked
}

TEST_CASE("runs on a GPU share as few processes as a crash may cost runs of, others have one each") {
  const auto planned = [](const char* device, std::size_t at_once, std::size_t asked = 0) {
    const std::vector<SweepRun> runs =
        expand_sweep(make_sweep({}, read_assignments({std::string("device=") + device})));
    const std::size_t shared = runs_per_process({&runs.front()}, at_once, asked);
    return describe_processes(at_once, shared);
  };
  CHECK(planned("cuda", 16) == "16 runs at once, in one process");
  CHECK(planned("cuda", 20) == "20 runs at once, in 2 processes");
  CHECK(planned("cuda", 1) == "1 run at once, in a process each");
  CHECK(planned("cuda", 8, 1) == "8 runs at once, in a process each");
  CHECK(planned("cpu", 2) == "2 runs at once, in a process each");
  CHECK(planned("cpu", 8, 3) == "8 runs at once, in 3 processes");
}

TEST_CASE("what is too large is named with the largest value that fits") {
  const RunConfig config = tiny_config({"train.batch=5000", "model.context=64"});
  const double need = needed(config);
  CHECK(memory_problem(config, {need - library_bytes(), "a test"}).empty());
  const std::string problem = memory_problem(config, {need / 3, "a test"});
  CHECK_THAT(problem, Contains("not enough memory: the run needs about ") && Contains("are there (a test)") &&
                          Contains("train.batch = 5000 (up to ") && Contains("model.context = 64 (up to "));
  const std::size_t at = problem.find("train.batch = 5000 (up to ") + 26;
  const std::int64_t fits = std::stoll(problem.substr(at));
  RunConfig smaller = config;
  smaller.train.batch = fits;
  CHECK(memory_problem(smaller, {need / 3, "a test"}).empty());
  smaller.train.batch = fits + 1;
  CHECK_FALSE(memory_problem(smaller, {need / 3, "a test"}).empty());
  CHECK_THROWS_AS(require_memory(config, {need / 3, "a test"}), NotEnoughMemory);
}

TEST_CASE("jobs at once are as many as cores and memory allow, and too many are refused") {
  const std::vector<SweepRun> runs = runs_of(1000);
  const auto to_go = pointers_to(runs);
  const double one = needed(runs[0].config) - library_bytes() - data_bytes(runs[0].config.data),
               data = data_bytes(runs[0].config.data);
  CHECK(plan_jobs(to_go, 0, {1e15, "a test"}).count == static_cast<std::size_t>(usable_cores()));
  const Jobs three = plan_jobs(to_go, 3, {3.5 * one + data, "a test"});
  CHECK(three.problem.empty());
  CHECK(three.fitting == 3);
  CHECK(three.bytes == Approx(library_bytes() + data + 3 * one));
  CHECK_THAT(plan_jobs(to_go, 5, {3.5 * one + data, "a test"}).problem, Contains("`jobs` 5 (up to 3 fits)"));
  CHECK(plan_jobs(to_go, 0, {1.5 * one + data, "a test"}).count == 1);
  CHECK_THAT(plan_jobs(to_go, 0, {0.5 * one, "a test"}).problem, Contains("run 0: not enough memory"));
  CHECK(plan_jobs({}, 0, {0, "a test"}).problem.empty());
}

TEST_CASE("a step is timed whole where that is short, else from fewer sequences, and not where memory is short") {
  const RunConfig config = tiny_config();
  const StepTiming whole = time_step(config, 5, 1e15);
  CHECK(whole.how == "measured");
  CHECK(whole.seconds > 0);
  CHECK(whole.seconds < 5);

  const RunConfig large = tiny_config({"train.batch=40000"});
  RunConfig one = large;
  one.train.batch = 1;
  one.metrics = no_probes();
  const StepTiming part = time_step(large, 5, 2 * estimate_memory(one, 0).bytes());
  CHECK(part.how == "scaled from 1 of 40000 sequences");
  CHECK(part.seconds > 0);

  const StepTiming none = time_step(config, 5, 1000);
  CHECK_FALSE(none.is_measured());
  CHECK(none.how == "not measured: memory would not suffice for one sequence and one layer");
}

TEST_CASE("steps of unlike models are as long as their multiply-adds") {
  CHECK(step_work(tiny_config({"train.batch=8"})) == 2 * step_work(tiny_config()));
  CHECK(step_work(tiny_config({"model.layers=4"})) < 2 * step_work(tiny_config()));
  CHECK(step_work(tiny_config({"model.layers=4"})) > 1.5 * step_work(tiny_config()));
}
