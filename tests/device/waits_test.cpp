// SPDX-License-Identifier: Apache-2.0
// How often a training step waits for its device: the test device counts every number that the host is given.
#include "tests/support/test_device/waits.h"

#include <string>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/test_device/test_device.h"
#include "tests/support/tiny_run.h"
#include "train/config/metric_intervals.h"
#include "train/data/open_tokens.h"

using namespace precipice;

namespace {

// Of the third step, without probes and evaluation.
test_device::Waits waits_of_a_step(std::vector<std::string> assignments) {
  for (const char* own :
       {"train.steps=3", "train.eval_every=100", "train.batch=2", "data.tokens=4000", "schedule.warmup_steps=1"})
    assignments.insert(assignments.begin(), own);
  RunConfig config = test::tiny_config(assignments);
  config.metrics = no_probes();
  const auto tokens = open_tokens(config);
  Trainer trainer(config, *tokens, test_device::test_device());
  for (int step = 0; step < 2; ++step) trainer.step();
  const test_device::Waits before = test_device::waits();
  trainer.step();
  return test_device::since(before);
}

}  // namespace

TEST_CASE("count", "[.count]") {
  for (const std::vector<std::string>& own : std::vector<std::vector<std::string>>{
           {"precision.recipe=fp32"},
           {"precision.recipe=bf16"},
           {"precision.recipe=fp16-o2"},
           {"precision.recipe=fp8"},
           {"precision.recipe=torchao-rowwise"},
           {"precision.recipe=te-delayed"},
           {"precision.recipe=ms-amp-o1"},
           {"precision.recipe=mxfp8"},
           {"precision.recipe=nvfp4"},
           {"precision.recipe=te-block"},
           {"precision.recipe=int8"},
           {"precision.recipe=mxfp4"},
           {"precision.recipe=mx-systems-scaling"},
           {"precision.recipe=deepseek-v3"},
           {"precision.recipe=bf16", "precision.accumulator=hopper-bf16"},
           {"precision.recipe=bf16", "train.z_loss=0.001"},
           {"precision.recipe=bf16", "optimizer.weights=bf16-sr", "optimizer.moment1=e4m3", "optimizer.state_scaling=current"},
       }) {
    test_device::Waits w;
    try {
      w = waits_of_a_step(own);
    } catch (const std::exception& e) {
      WARN(own[0] << e.what());
      continue;
    }
    std::string text = own[0] + (own.size() > 1 ? " " + own[1] : "") + ": " + std::to_string(test_device::sum_of(w));
    for (const auto& [cause, n] : w) text += ", " + cause + " " + std::to_string(n);
    std::printf("%s\n", text.c_str());
  }
}
