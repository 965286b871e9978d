// SPDX-License-Identifier: Apache-2.0
// Trainers in threads of one process, each on a stream of its own: what they have in common, as machines, sums of launches
// and the memory's allocator, is safe to share, and each has the bytes that it has alone.
#include <atomic>
#include <cstring>
#include <exception>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "precision/quantize/device.h"
#include "tests/cuda/kernels_under_test.h"
#include "tests/support/catch.h"
#include "tests/support/test_device/device_memory.h"
#include "tests/support/test_device/test_device.h"
#include "tests/support/tiny_run.h"
#include "train/config/metric_intervals.h"
#include "train/data/open_tokens.h"
#include "train/run/trainer.h"

using namespace precipice;

namespace {

constexpr std::int64_t kSteps = 3;

RunConfig config_of(std::vector<std::string> assignments) {
  for (const char* own : {"train.steps=3", "train.eval_every=2", "train.eval_batches=1", "train.batch=2",
                          "data.tokens=4000", "schedule.warmup_steps=1", "model.context=8", "model.layers=1"})
    assignments.insert(assignments.begin(), own);
  RunConfig config = test::tiny_config(assignments);
  config.metrics = no_probes();
  return config;
}

// Every number of its rows and of its last checkpoint.
struct Numbers {
  std::vector<double> rows;
  std::vector<float> arrays;
  bool operator==(const Numbers& other) const {
    return rows.size() == other.rows.size() && arrays.size() == other.arrays.size() &&
           std::memcmp(rows.data(), other.rows.data(), rows.size() * sizeof(double)) == 0 &&
           std::memcmp(arrays.data(), other.arrays.data(), arrays.size() * sizeof(float)) == 0;
  }
};

Numbers train(const RunConfig& config, const TrainingDevice& device) {
  const auto tokens = open_tokens(config);
  Trainer trainer(config, *tokens, device);
  Numbers numbers;
  const auto add = [&](const SeriesRow& row) {
    numbers.rows.insert(numbers.rows.end(), row.values.begin(), row.values.end());
  };
  while (trainer.steps_done() < kSteps)
    for (const SeriesRow& row : trainer.step()) add(row);
  add(trainer.evaluate());
  for (const NamedArray& array : trainer.checkpoint("id").arrays)
    numbers.arrays.insert(numbers.arrays.end(), array.values.begin(), array.values.end());
  return numbers;
}

struct Trained {
  Numbers numbers;
  c10::StreamId stream = 0;
  std::exception_ptr problem;
};

// Begin together; each has its thread.
std::vector<Trained> train_at_once(const std::vector<RunConfig>& configs) {
  const TrainingDevice device = test_device::test_device();
  std::vector<Trained> trained(configs.size());
  std::atomic<std::size_t> ready{0};
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < configs.size(); ++i)
    threads.emplace_back([&, i] {
      try {
        set_up_thread(device.device);
        trained[i].stream = test_device::stream_number();
        for (++ready; ready < configs.size();) std::this_thread::yield();
        trained[i].numbers = train(configs[i], device);
      } catch (...) {
        trained[i].problem = std::current_exception();
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (const Trained& one : trained)
    if (one.problem) std::rethrow_exception(one.problem);
  return trained;
}

}  // namespace

TEST_CASE("four trainers in threads of one process have the bytes of each alone, every one on its own stream") {
  const std::vector<RunConfig> configs = {config_of({"precision.recipe=bf16"}),
                                          config_of({"precision.recipe=fp8", "seed=1"}),
                                          config_of({"model.kind=llama", "precision.recipe=mxfp8"}),
                                          config_of({"precision.recipe=fp16-o2", "optimizer.kind=lion"})};
  test::on_cpu().control->set_order(7);
  const std::vector<Trained> trained = train_at_once(configs);
  std::set<c10::StreamId> streams{0};  // the default one is nobody's
  for (std::size_t i = 0; i < configs.size(); ++i) {
    INFO("trainer " << i);
    CHECK(streams.insert(trained[i].stream).second);
    CHECK(trained[i].numbers.arrays.size() > 1000);
    CHECK(trained[i].numbers == train(configs[i], {}));
  }
}
