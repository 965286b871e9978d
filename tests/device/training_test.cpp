// SPDX-License-Identifier: Apache-2.0
// The whole step by the machines of a GPU, whose kernels run on the CPU when somebody waits, on memory that the host cannot
// touch: the same rows and checkpoints as on the CPU, to the byte, since every sum has the CPU's order there.
#include "train/run/trainer.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "precision/gemm/multiplier.h"
#include "tests/cuda/kernels_under_test.h"
#include "tests/support/catch.h"
#include "tests/support/test_device/device_memory.h"
#include "tests/support/test_device/test_device.h"
#include "tests/support/tiny_run.h"
#include "train/config/metric_intervals.h"
#include "train/data/open_tokens.h"
#include "train/recipes/recipes.h"

using namespace precipice;

namespace {

constexpr std::int64_t kSteps = 3;

RunConfig config_of(std::vector<std::string> assignments) {
  for (const char* own : {"train.steps=3", "train.eval_every=2", "train.eval_batches=1", "train.batch=2",
                          "data.tokens=4000", "schedule.warmup_steps=1", "model.context=8"})
    assignments.insert(assignments.begin(), own);
  RunConfig config = test::tiny_config(assignments);
  config.metrics = no_probes();
  return config;
}

struct Trained {
  std::vector<SeriesRow> rows;
  Checkpoint end;
};

// `resume_at`: from a checkpoint that a trainer on `first` made there, if not 0.
Trained train(const RunConfig& config, const TrainingDevice& device, std::int64_t resume_at = 0,
              const TrainingDevice& first = {}) {
  const auto tokens = open_tokens(config);
  auto trainer = std::make_unique<Trainer>(config, *tokens, resume_at > 0 ? first : device);
  Trained result;
  while (trainer->steps_done() < kSteps) {
    if (resume_at > 0 && trainer->steps_done() == resume_at) {
      const Checkpoint saved = trainer->checkpoint("id");
      trainer = std::make_unique<Trainer>(config, *tokens, device);
      trainer->restore(saved, result.rows);
    }
    for (SeriesRow& row : trainer->step()) result.rows.push_back(std::move(row));
  }
  result.rows.push_back(trainer->evaluate());
  result.end = trainer->checkpoint("id");
  return result;
}

template <class Number>
bool same_bytes(const std::vector<Number>& a, const std::vector<Number>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(Number)) == 0);
}

void check_equal(const Trained& a, const Trained& b) {
  REQUIRE(a.rows.size() == b.rows.size());
  for (std::size_t i = 0; i < a.rows.size(); ++i) {
    INFO("row of group " << a.rows[i].group << ", step " << a.rows[i].step);
    CHECK(a.rows[i].step == b.rows[i].step);
    CHECK(same_bytes(a.rows[i].values, b.rows[i].values));
  }
  CHECK(a.end.numbers == b.end.numbers);
  REQUIRE(a.end.arrays.size() == b.end.arrays.size());
  for (std::size_t i = 0; i < a.end.arrays.size(); ++i) {
    INFO(a.end.arrays[i].name);
    CHECK(a.end.arrays[i].name == b.end.arrays[i].name);
    CHECK(a.end.arrays[i].shape == b.end.arrays[i].shape);
    CHECK(same_bytes(a.end.arrays[i].values, b.end.arrays[i].values));
  }
}

std::uint64_t launches() {
  return test::on_cpu().control->counters().launches;
}

// Trains on both; blocks and threads come in another order each time. What came of it.
Trained check_on_device(const RunConfig& config) {
  static std::uint64_t order = 0;
  test::on_cpu().control->set_order(order++);
  const std::uint64_t before = launches();
  Trained on_device = train(config, test_device::test_device());
  CHECK(launches() > before + 100);
  check_equal(on_device, train(config, {}));
  return on_device;
}

// Evaluations, of one batch each.
std::int64_t evaluations(const Trained& trained) {
  return std::count_if(trained.rows.begin(), trained.rows.end(),
                       [](const SeriesRow& row) { return row.group == kEvalGroup; });
}

}  // namespace

TEST_CASE("a run on a device has the rows and the checkpoint of the run on the CPU, to the byte, in every recipe") {
  for (const Recipe& recipe : recipes()) {
    if (recipe.name.starts_with("e8m") && recipe.name != "e8m3") continue;  // one format after the other
    INFO(recipe.name);
    check_on_device(config_of({"precision.recipe=" + recipe.name}));
  }
}

// Of each pass the head's product.
TEST_CASE("on a device logits are bf16 numbers where the head's output and its gradient are, and nobody looks on") {
  if (!matmul_cpu().avx512) {
    WARN("skipped: this processor has no products of bf16 numbers");
    return;
  }
  const struct {
    std::vector<std::string> own;
    bool in_bf16;
  } cases[] = {
      {{"precision.recipe=bf16"}, true},
      {{"precision.recipe=fp8"}, true},
      {{"precision.recipe=bf16", "model.kind=llama", "loss_scale.kind=dynamic", "loss_scale.initial=1e9",
        "loss_scale.maximum=1e9"},
       true},
      // Other roundings of what goes in or out of the head, and others who read the logits.
      {{"precision.recipe=fp32"}, false},
      {{"precision.recipe=bf16", "precision.dy_rounding=sr"}, false},
      {{"precision.recipe=bf16", "precision.carrier=auto", "precision.accumulator=hopper-bf16"}, false},
      {{"precision.recipe=bf16", "train.z_loss=0.001"}, false},
      {{"precision.recipe=bf16", "model.softcap=30"}, false},
  };
  for (const auto& [own, in_bf16] : cases) {
    INFO(own[0] << " " << own.back());
    std::vector<std::string> assignments = {"precision.carrier=bf16", "model.layers=1"};
    assignments.insert(assignments.end(), own.begin(), own.end());
    const std::int64_t before = test_device::bf16_products();
    const std::int64_t passes = kSteps + evaluations(check_on_device(config_of(assignments)));
    CHECK(test_device::bf16_products() - before == (in_bf16 ? passes : 0));
  }
}

TEST_CASE("on a device a probe that reads the logits finds them in fp32") {
  RunConfig config = config_of({"precision.recipe=bf16", "precision.carrier=bf16", "model.layers=1"});
  config.metrics.intervals.at("centred_sharpness") = kSteps;  // at the first alone
  if (!matmul_cpu().avx512) {
    WARN("skipped: this processor has no products of bf16 numbers");
    return;
  }
  const std::int64_t before = test_device::bf16_products();
  const std::int64_t passes = kSteps + evaluations(check_on_device(config));
  CHECK(test_device::bf16_products() - before == passes - 1);
}

TEST_CASE("on a device other models, accumulators, roundings and carriers have the CPU's bits") {
  const std::vector<std::vector<std::string>> settings = {
      {"model.kind=llama", "precision.recipe=fp8"},
      {"model.kind=llama", "precision.recipe=mxfp8", "model.kv_heads=1", "model.width=32", "model.context=32",
       "model.layers=1"},
      {"precision.recipe=bf16-pure", "model.qk_norm=rmsnorm", "train.z_loss=0.001", "model.softcap=30"},
      {"precision.recipe=fp8", "model.norm_placement=post", "precision.dy_rounding=sr"},
      {"precision.recipe=bf16", "precision.accumulator=hopper-bf16", "model.layers=1"},
      {"precision.recipe=bf16", "precision.accumulator=chunk:size=8,format=bf16,rounding=sr", "model.layers=1"},
      {"precision.recipe=fp8", "precision.accumulator=every:format=fp32",
       "model.layers=1"},  // scales of whole tensors, known and not
      {"precision.recipe=nvfp4", "precision.accumulator=every:format=fp32", "model.layers=1"},
      {"precision.recipe=fp8", "precision.carrier=fp32", "precision.softmax=bf16"},
      // Attention in one kernel, of more than a tile of positions.
      {"precision.recipe=fp32", "precision.accumulator=every:format=fp32", "model.layers=1", "model.context=40"},
      {"model.kind=llama", "precision.recipe=bf16", "precision.accumulator=every:format=fp32", "model.layers=1",
       "model.context=40", "model.kv_heads=1", "precision.dy_rounding=sr"},
  };
  for (const std::vector<std::string>& own : settings) {
    INFO(own[0] << " " << own[1]);
    check_on_device(config_of(own));
  }
}

TEST_CASE("a step that is done again on its device has the CPU's bits") {
  const std::vector<std::vector<std::string>> settings = {
      {"precision.recipe=mxfp8", "init.scale=1e-36"},                         // scales that bf16 has no products of
      {"precision.recipe=deepseek-v3", "model.width=144", "model.layers=1"},  // that are never folded
      {"precision.recipe=bf16", "optimizer.lr=1e30"},                         // a loss that is not finite
      {"precision.recipe=ms-amp-o1", "optimizer.lr=1e30"},
  };
  for (const std::vector<std::string>& own : settings) {
    INFO(own[0] << " " << own[1]);
    check_on_device(config_of(own));
  }
}

RunConfig student_config() {
  RunConfig config = resolve_config(parse_settings(
      "[model]\nkind = \"mlp\"\nlayers = 2\nwidth = 16\n[init]\nstd = 0.1\n[schedule]\nwarmup_steps = 1\n"
      "[precision]\nrecipe = \"mxfp8\"\n[train]\nsteps = 3\nbatch = 32\neval_every = 2\neval_batches = 2\n",
      "student.toml"));
  config.metrics = no_probes();
  return config;
}

TEST_CASE("on a device a student of vectors has the CPU's bits") {
  check_on_device(student_config());
}

TEST_CASE("on a device every optimizer, stored format and loss scaling with an overflow has the CPU's bits") {
  const std::vector<std::vector<std::string>> settings = {
      {"optimizer.kind=lion", "optimizer.weights=bf16-kahan"},
      {"optimizer.kind=sgd", "optimizer.weights=bf16-sr", "optimizer.moment1=e4m3", "optimizer.state_scaling=current"},
      {"optimizer.weights=fp16", "optimizer.weight_scaling=ms-amp", "optimizer.gradients=e4m3",
       "optimizer.gradient_scaling=ms-amp"},
      {"optimizer.moment1=bf16-sr", "optimizer.moment2=e5m2", "optimizer.state_scaling=current-pow2:block=128"},
      {"loss_scale.kind=dynamic", "loss_scale.initial=1e9", "loss_scale.maximum=1e9", "precision.recipe=fp16-o2"},
  };
  for (const std::vector<std::string>& own : settings) {
    INFO(own[0] << " " << own[1]);
    const RunConfig config = config_of(own);
    check_on_device(config);
    if (own[0].starts_with("loss_scale")) CHECK(step_record_of(train(config, {}).rows.front().values).skipped == 1);
  }
}

// All intervals but the Hessian's, whose sixty products with it take seconds; or that alone.
RunConfig probing_config(const std::string& kind, bool hessian) {
  std::vector<std::string> assignments = {"train.steps=3",     "train.batch=2",   "data.tokens=4000",
                                          "model.layers=1",    "model.context=8", "precision.recipe=fp8",
                                          "model.kind=" + kind};
  for (const MetricInterval& interval : metric_intervals())
    assignments.push_back("metrics." + interval.name +
                          ((interval.name == "hessian") == hessian ? "_every=2" : "_every=0"));
  return test::tiny_config(assignments);
}

TEST_CASE("on a device every probe has the CPU's values") {
  for (const char* kind : {"gpt", "llama"}) {
    INFO(kind);
    check_on_device(probing_config(kind, false));
  }
}

TEST_CASE("on a device the Hessian's probe has the CPU's values", "[.slow]") {
  for (const char* kind : {"gpt", "llama"}) {
    INFO(kind);
    check_on_device(probing_config(kind, true));
  }
}

TEST_CASE("a checkpoint goes from one device to another, and the run goes on with the same bits") {
  const RunConfig config = config_of({"precision.recipe=bf16"});
  const TrainingDevice device = test_device::test_device();
  const Trained straight = train(config, {});
  check_equal(straight, train(config, device, 1, {}));
  check_equal(straight, train(config, {}, 2, device));
  check_equal(straight, train(config, device, 2, device));
}

TEST_CASE("a trainer gives back what it took of a device's memory") {
  const TrainingDevice device = test_device::test_device();
  const std::size_t before = test_device::DeviceMemory::instance().in_use();
  train(config_of({"precision.recipe=fp32"}), device);
  CHECK(test_device::DeviceMemory::instance().in_use() == before);
}

// The batches of another source, in which one token is none of its vocabulary.
class WrongToken : public TokenSource {
 public:
  WrongToken(const TokenSource& source, std::int64_t token) : source_(source), token_(token) {
    vocabulary_ = source.vocabulary();
  }
  Batch training_batch(std::int64_t step) const override {
    Batch batch = source_.training_batch(step);
    batch.x[5] = token_;
    return batch;
  }
  std::int64_t validation_batches() const override { return source_.validation_batches(); }
  Batch validation_batch(std::int64_t index) const override { return source_.validation_batch(index); }
  double unigram_entropy() const override { return source_.unigram_entropy(); }

 private:
  const TokenSource& source_;
  std::int64_t token_;
};

TEST_CASE("a token that is none of the model's is refused before it goes to a device") {
  const RunConfig config = config_of({"precision.recipe=fp32", "train.eval_every=100"});
  const auto tokens = open_tokens(config);
  for (const std::int64_t token : {std::int64_t{-1}, tokens->vocabulary()}) {
    const WrongToken wrong(*tokens, token);
    Trainer trainer(config, wrong, test_device::test_device());
    CHECK_THROWS_WITH(trainer.step(), Catch::Contains("token " + std::to_string(token) + " of 24"));
  }
}
