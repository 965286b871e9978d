// SPDX-License-Identifier: Apache-2.0
// What a training step costs on its device, counted where no GPU is: waits, launches of the library's kernels, the bytes that
// they read and write, and what goes up and down. ATen's operations and products are not among the launches.
#include "tests/support/test_device/waits.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/cuda/kernels_under_test.h"
#include "tests/support/catch.h"
#include "tests/support/test_device/device_memory.h"
#include "tests/support/test_device/test_device.h"
#include "tests/support/tiny_run.h"
#include "train/config/metric_intervals.h"
#include "train/data/open_tokens.h"

using namespace precipice;

namespace {

// A run without probes and without evaluation but at the end.
class Run {
 public:
  explicit Run(std::vector<std::string> assignments) : config_(config_of(std::move(assignments))) {}

  // Of the step after `steps`.
  test_device::Waits of_a_step(int steps = 1) {
    for (int step = 0; step < steps; ++step) trainer_.step();
    return count([&] { trainer_.step(); });
  }
  test_device::Waits of_an_evaluation() {
    return count([&] { trainer_.evaluate(); });
  }
  // Of the second step; launches with ATen's operations.
  cuda_on_cpu::Counters cost_of_a_step() {
    trainer_.step();
    const cuda_on_cpu::Control& control = *test::on_cpu().control;
    control.memory_in_use(test_device::stream());  // nothing of the first is left
    const cuda_on_cpu::Counters before = control.counters();
    const std::int64_t operations = test_device::aten_work().operations;
    trainer_.step();
    control.memory_in_use(test_device::stream());
    cuda_on_cpu::Counters cost = control.counters();
    cost.launches -= before.launches;
    cost.launches += static_cast<std::uint64_t>(test_device::aten_work().operations - operations);
    cost.synchronisations -= before.synchronisations;
    cost.bytes_read -= before.bytes_read, cost.bytes_written -= before.bytes_written;
    cost.uploads -= before.uploads, cost.uploaded_bytes -= before.uploaded_bytes;
    cost.downloads -= before.downloads, cost.downloaded_bytes -= before.downloaded_bytes;
    return cost;
  }

 private:
  static RunConfig config_of(std::vector<std::string> assignments) {
    for (const char* own : {"train.steps=20", "train.eval_every=100", "train.batch=2", "data.tokens=4000",
                            "schedule.warmup_steps=1", "model.layers=1", "model.context=8"})
      assignments.insert(assignments.begin(), own);
    RunConfig config = test::tiny_config(assignments);
    config.metrics = no_probes();
    return config;
  }
  template <class Body>
  static test_device::Waits count(const Body& body) {
    const test_device::Waits before = test_device::waits();
    body();
    return test_device::since(before);
  }

  RunConfig config_;
  std::unique_ptr<TokenSource> tokens_ = open_tokens(config_);
  Trainer trainer_{config_, *tokens_, test_device::test_device()};
};

// For the ledger, behind the update.
constexpr std::int64_t kWaitsOfAStep = 1;

}  // namespace

TEST_CASE("a training step waits for its device once, in recipes of every family") {
  for (const std::string recipe : {"fp32", "bf16-pure", "fp8", "torchao-rowwise", "te-delayed", "te-block", "mxfp8",
                                   "nvfp4", "bfp", "int8", "fp16-o2", "intel-fp8", "ms-amp-o2:history=1"}) {
    // MS-AMP's gradients have scales that remember: they wait for the ledger, and the update for their norm.
    const std::int64_t more = recipe.starts_with("ms-amp") ? 2 : 0;
    const test_device::Waits waits = Run({"precision.recipe=" + recipe}).of_a_step();
    CAPTURE(recipe, waits);
    CHECK(test_device::sum_of(waits) == kWaitsOfAStep + more);
  }
}

TEST_CASE("other models, accumulators, optimizers and losses wait for their device no more often") {
  const std::vector<std::vector<std::string>> settings = {
      {"model.kind=llama", "precision.recipe=fp8", "model.kv_heads=1"},
      {"precision.recipe=bf16", "train.z_loss=0.001", "precision.accumulator=hopper-bf16"},
      {"precision.recipe=deepseek-v3", "model.width=48"},  // several blocks of K
      {"precision.recipe=mxfp8", "model.width=64"},  // blocks of zeros: the first position's query has no gradient
      {"optimizer.weights=bf16-sr", "optimizer.moment1=e4m3", "optimizer.state_scaling=current"},
      {"loss_scale.kind=dynamic", "precision.recipe=fp16-o2"},
  };
  for (const std::vector<std::string>& own : settings) {
    const test_device::Waits waits = Run(own).of_a_step();
    CAPTURE(own, waits);
    CHECK(test_device::sum_of(waits) == kWaitsOfAStep);
  }
}

TEST_CASE("an evaluation waits for its device once, and MS-AMP's first steps for each amax") {
  CHECK(test_device::sum_of(Run({"precision.recipe=nvfp4"}).of_an_evaluation()) == 1);
  // Of x and w of four linears; the norm of gradients that are stored, and the update's.
  CHECK(Run({"precision.recipe=ms-amp-o1"}).of_a_step().at("library") == 8 + 2);
}

TEST_CASE("a step that takes something for granted that does not hold is done again") {
  // Products of tiny numbers with their scales are no bf16 numbers; sums of logits that are not finite give no loss.
  CHECK(test_device::sum_of(Run({"precision.recipe=mxfp8", "init.scale=1e-36"}).of_a_step(0)) > kWaitsOfAStep);
  CHECK(test_device::sum_of(Run({"precision.recipe=bf16", "optimizer.lr=1e30"}).of_a_step(2)) > kWaitsOfAStep);
}

TEST_CASE("a training step launches no more, and its kernels move no more bytes, than its budget") {
  // Of a GPT of one layer and 16 tokens: what is launched now, ATen's operations among it, and what kernels move, with a
  // hundredth of room for bytes, so that a pass or a launch more shows. Who takes some away lowers them. Threads of an update
  // read its 44 bytes of numbers each, from caches.
  const struct {
    const char* recipe;
    std::uint64_t launches, read, written;
    const char* accumulator = "library";
  } budgets[] = {
      {"fp32", 46, 187'000, 74'000},
      {"bf16", 94, 267'000, 157'000},
      {"fp8", 98, 306'000, 157'000},
      {"mxfp8", 157, 537'000, 243'000},
      {"nvfp4", 201, 578'000, 248'000},
      {"fp32", 67, 1'536'000, 109'000, "every:format=fp32"},  // whose attention is three launches
  };
  for (const auto& budget : budgets) {
    // On every CPU the same: elsewhere quantized numbers are bf16 where it has instructions for them.
    const std::vector<std::string> own = {std::string("precision.recipe=") + budget.recipe, "precision.carrier=fp32",
                                          std::string("precision.accumulator=") + budget.accumulator};
    const cuda_on_cpu::Counters cost = Run(own).cost_of_a_step();
    CAPTURE(budget.recipe, budget.accumulator, cost.launches, cost.bytes_read, cost.bytes_written,
            cost.downloaded_bytes);
    CHECK(cost.launches <= budget.launches);
    CHECK(cost.bytes_read <= budget.read);
    CHECK(cost.bytes_written <= budget.written);
    // The batch goes up before anything is queued; the ledger comes down.
    CHECK(cost.uploads == 1);
    CHECK(cost.downloads == 1);
    CHECK(cost.synchronisations == cost.uploads + cost.downloads);
  }
}
