// SPDX-License-Identifier: Apache-2.0
// A training step captured once and replayed: on the test device a capture is a list of work that is done at each replay, and
// nothing of it before. Replayed steps have the CPU's rows and checkpoints, to the byte.
#include "train/run/step_graph.h"

#include <ATen/ops/ones.h>

#include <chrono>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/cuda/kernels_under_test.h"
#include "tests/support/catch.h"
#include "tests/support/test_device/device_memory.h"
#include "tests/support/test_device/test_device.h"
#include "tests/support/test_device/waits.h"
#include "tests/support/tiny_run.h"
#include "train/config/metric_intervals.h"
#include "train/data/open_tokens.h"

using namespace precipice;

namespace {

// Two steps before the capture, and five replays.
constexpr std::int64_t kEager = 2, kReplays = 5, kSteps = kEager + kReplays;

RunConfig config_of(std::vector<std::string> assignments) {
  for (const char* own : {"train.steps=7", "train.eval_every=100", "train.batch=2", "data.tokens=4000",
                          "schedule.warmup_steps=3", "model.layers=1", "model.context=8"})
    assignments.insert(assignments.begin(), own);
  RunConfig config = test::tiny_config(assignments);
  config.metrics = no_probes();
  return config;
}

TrainingDevice by_graph() {
  TrainingDevice device = test_device::test_device();
  device.graphs = GraphUse::Always;
  return device;
}

std::uint64_t replays() {
  return test::on_cpu().control->counters().replays;
}

struct Trained {
  std::vector<std::vector<double>> rows;
  Checkpoint end;
};

// `resume_at`: goes on there in another trainer, from a checkpoint, if not 0; `back`: in the same.
Trained train(const RunConfig& config, const TrainingDevice& device, std::int64_t resume_at = 0, bool back = false) {
  const auto tokens = open_tokens(config);
  auto trainer = std::make_unique<Trainer>(config, *tokens, device);
  std::optional<Checkpoint> saved;
  std::vector<SeriesRow> rows;
  while (trainer->steps_done() < config.train.steps) {
    if (resume_at > 0 && trainer->steps_done() == resume_at && !saved) {
      saved = trainer->checkpoint("id");
      if (back)
        trainer->step();
      else
        trainer = std::make_unique<Trainer>(config, *tokens, device);
      trainer->restore(*saved, rows);
    }
    for (SeriesRow& row : trainer->step()) rows.push_back(std::move(row));
  }
  Trained result;
  for (SeriesRow& row : rows) result.rows.push_back(std::move(row.values));
  result.end = trainer->checkpoint("id");
  return result;
}

template <class Number>
bool equal_bytes(const std::vector<Number>& a, const std::vector<Number>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(Number)) == 0);
}

void check_bytes(const Trained& a, const Trained& b) {
  REQUIRE(a.rows.size() == b.rows.size());
  for (std::size_t i = 0; i < a.rows.size(); ++i) {
    INFO("row " << i);
    CHECK(equal_bytes(a.rows[i], b.rows[i]));
  }
  CHECK(a.end.numbers == b.end.numbers);
  REQUIRE(a.end.arrays.size() == b.end.arrays.size());
  for (std::size_t i = 0; i < a.end.arrays.size(); ++i) {
    INFO(a.end.arrays[i].name);
    CHECK(equal_bytes(a.end.arrays[i].values, b.end.arrays[i].values));
  }
}

}  // namespace

TEST_CASE("five replayed steps have the rows and the checkpoint of the CPU, to the byte") {
  const std::vector<std::vector<std::string>> settings = {
      {"precision.recipe=bf16"},
      {"precision.recipe=fp8", "optimizer.kind=lion"},
      {"precision.recipe=mxfp8", "optimizer.kind=sgd", "optimizer.momentum=0.9"},
      {"precision.recipe=nvfp4", "optimizer.clip_norm=0.5"},
      {"precision.recipe=bf16", "precision.dy_rounding=sr", "optimizer.weights=bf16-sr", "optimizer.moment1=e4m3",
       "optimizer.state_scaling=current"},
      {"precision.recipe=bf16", "precision.accumulator=chunk:size=8,format=bf16,rounding=sr"},
      {"precision.recipe=fp32", "optimizer.weights=bf16-kahan", "train.z_loss=0.001"},
      {"precision.recipe=bf16", "precision.accumulator=every:format=fp32", "precision.dy_rounding=sr"},
  };
  for (const std::vector<std::string>& own : settings) {
    INFO(own[0] << " " << own.back());
    const RunConfig config = config_of(own);
    const std::uint64_t before = replays();
    const Trained replayed = train(config, by_graph());
    CHECK(replays() == before + kReplays);
    check_bytes(replayed, train(config, {}));
  }
}

TEST_CASE("a loss scale that overflows and grows again in replayed steps has the CPU's bytes") {
  // Of 1e38 every gradient overflows until it was halved often enough; then it grows at every second step.
  const RunConfig config = config_of({"precision.recipe=fp16-o2", "loss_scale.kind=dynamic", "loss_scale.initial=3e7",
                                      "loss_scale.maximum=1e9", "loss_scale.window=2", "loss_scale.factor=8"});
  const Trained replayed = train(config, by_graph()), cpu = train(config, {});
  check_bytes(replayed, cpu);
  int skipped = 0;
  for (std::size_t i = kEager; i < cpu.rows.size(); ++i) skipped += step_record_of(cpu.rows[i]).skipped == 1;
  CHECK(skipped > 0);
  CHECK(skipped < kReplays);
}

TEST_CASE("a run by graphs goes on from a checkpoint, in another trainer or its own, with the CPU's bytes") {
  const RunConfig config = config_of({"precision.recipe=bf16", "optimizer.weights=bf16-sr", "train.steps=9"});
  const Trained cpu = train(config, {});
  check_bytes(train(config, by_graph(), 4), cpu);
  check_bytes(train(config, by_graph(), 4, true), cpu);
}

TEST_CASE("probes look on between replayed steps, which go on with the CPU's bytes") {
  RunConfig config = config_of({"precision.recipe=fp8", "train.steps=9", "train.eval_every=4", "train.eval_batches=1"});
  config.metrics.intervals["tensors"] = 5;
  const std::uint64_t before = replays();
  const Trained replayed = train(config, by_graph());
  CHECK(replays() == before + 5);  // all but those at 0 and 5, and the two before the capture
  check_bytes(replayed, train(config, {}));
}

// Graphs of nothing, which count what is done with them.
struct CountedGraphs {
  static inline int begun = 0, ended = 0, abandoned = 0, replayed = 0, released = 0;
  static constexpr StepGraphs kTable{[] { ++begun; },
                                     [] {
                                       ++ended;
                                       return static_cast<void*>(&begun);
                                     },
                                     [] { ++abandoned; }, [](void*) { ++replayed; }, [](void*) { ++released; }};
};

TEST_CASE("a long step is not captured unless it is asked for, and steps that are done again end the graph") {
  using Counted = CountedGraphs;
  using Way = StepGraph::Way;
  const int key = 0, other = 0;
  for (const GraphUse use : {GraphUse::Auto, GraphUse::Always}) {
    StepGraph graph(&Counted::kTable, use);
    for (int step = 0; step < 2; ++step) {
      CHECK(graph.next(&key, nullptr) == Way::Eager);
      graph.took(std::chrono::milliseconds(11));
    }
    CHECK(graph.next(&key, nullptr) == (use == GraphUse::Always ? Way::Capture : Way::Eager));
    CHECK((use == GraphUse::Always || graph.take_note()->find("a step takes 11 ms") != std::string::npos));
  }
  StepGraph graph(&Counted::kTable, GraphUse::Auto);
  for (int step = 0; step < 2; ++step) graph.next(&key, nullptr), graph.took(std::chrono::milliseconds(9));
  REQUIRE(graph.next(&key, nullptr) == Way::Capture);
  CHECK(graph.capture([] {}));
  CHECK(graph.next(&key, nullptr) == Way::Replay);
  // Another precision is captured anew.
  CHECK(graph.next(&other, nullptr) == Way::Eager);
  CHECK(Counted::released == 1);
  for (int step = 0; step < 2; ++step) graph.took(std::chrono::milliseconds(9));
  REQUIRE(graph.next(&other, nullptr) == Way::Capture);
  CHECK(graph.capture([] {}));
  graph.failed(), graph.failed(), graph.held(), graph.failed(), graph.failed();
  CHECK(graph.next(&other, nullptr) == Way::Replay);
  graph.failed();
  CHECK(graph.next(&other, nullptr) == Way::Eager);
  CHECK_THAT(*graph.take_note(), Catch::Contains("3 steps in a row had to be done again"));
}

TEST_CASE("a replayed step costs the host an upload, a replay and a download") {
  const RunConfig config = config_of({"precision.recipe=nvfp4"});
  const auto tokens = open_tokens(config);
  Trainer trainer(config, *tokens, by_graph());
  for (std::int64_t step = 0; step <= kEager; ++step) trainer.step();
  const cuda_on_cpu::Counters before = test::on_cpu().control->counters();
  const std::int64_t operations = test_device::aten_work().operations;
  trainer.step();
  const cuda_on_cpu::Counters after = test::on_cpu().control->counters();
  CHECK(after.replays == before.replays + 1);
  CHECK(after.issued == before.issued);
  CHECK(after.allocations == before.allocations);
  CHECK(after.uploads == before.uploads + 1);
  CHECK(after.downloads == before.downloads + 1);
  CHECK(after.synchronisations == before.synchronisations + 2);
  CHECK(test_device::aten_work().operations == operations);
}

TEST_CASE("a capture does nothing, and a graph gives back what it took") {
  const std::size_t free = test_device::DeviceMemory::instance().in_use();
  {
    const StepGraphs& graphs = test_device::step_graphs();
    const at::Device device = test_device::test_device().device;
    const at::Tensor x = at::ones({4}, at::TensorOptions(at::kFloat)).to(device);
    at::Tensor sum;
    graphs.begin();
    x.add_(1.0);
    sum = x.sum();
    CHECK_THROWS_WITH(sum.item<float>(), Catch::Contains("not permitted when stream is capturing"));
    void* const graph = graphs.end();
    CHECK(x.sum().item<float>() == 4);
    graphs.replay(graph);
    graphs.replay(graph);
    CHECK(sum.item<float>() == 12);
    graphs.release(graph);
    CHECK(x.sum().item<float>() == 12);
  }
  train(config_of({"precision.recipe=fp32"}), by_graph());
  CHECK(test_device::DeviceMemory::instance().in_use() == free);
}

TEST_CASE("where a step cannot be captured it is queued launch by launch, and the log says why") {
  const auto note_of = [](const std::vector<std::string>& own) {
    const RunConfig config = config_of(own);
    const auto tokens = open_tokens(config);
    Trainer trainer(config, *tokens, by_graph());
    std::string notes;
    const std::uint64_t before = replays();
    while (trainer.steps_done() < kSteps) {
      trainer.step();
      if (const auto note = trainer.take_note()) notes += *note + "\n";
    }
    return std::make_pair(notes, replays() - before);
  };
  CHECK(note_of({"precision.recipe=bf16"}) ==
        std::make_pair(std::string("training steps are one CUDA graph from here on, captured after 2 others\n"),
                       std::uint64_t{kReplays}));
  const auto delayed = note_of({"precision.recipe=te-delayed"});
  CHECK(delayed.second == 0);
  CHECK_THAT(delayed.first, Catch::Contains("launch by launch") && Catch::Contains("delayed scales"));
  // A product that asks for a number in the middle of the step.
  const std::vector<std::string> waits = {"precision.recipe=nvfp4", "precision.accumulator=native"};
  const auto refused = note_of(waits);
  CHECK(refused.second == 0);
  CHECK_THAT(refused.first, Catch::Contains("not permitted when stream is capturing"));
  check_bytes(train(config_of(waits), by_graph()), train(config_of(waits), {}));
  // What is taken for granted holds at no step.
  const auto again = note_of({"precision.recipe=mxfp8", "init.scale=1e-36"});
  CHECK(again.second == 0);
}
