// SPDX-License-Identifier: Apache-2.0
// An optimizer that this file alone adds: no other file has to know of it for configs to name it, for runs to train and
// resume with it and for estimates to count its state.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

#include "optim/optimizer.h"
#include "optim/optimizer_kinds.h"
#include "precision/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/tiny_run.h"
#include "train/data/open_tokens.h"
#include "train/estimates/memory_estimate.h"
#include "train/run/trainer.h"

using namespace precipice;
using test::tiny_config;

namespace {

// RMSProp (Tieleman & Hinton 2012): v = beta2 v + (1 - beta2) g^2, p -= lr g / (sqrt(v) + eps).
struct RmsProp {
  static constexpr const char* kName = "toy-rmsprop";
  static constexpr const char* kHelp = "a test's";
  static constexpr const char* kMoments[] = {"v"};
  static constexpr Decay kDecay = Decay::BesideStep;

  float beta2, rest2, eps, lr;

  RmsProp(const OptimizerConfig& config, const UpdateArgs& update)
      : beta2(static_cast<float>(config.beta2)),
        rest2(static_cast<float>(1 - config.beta2)),
        eps(static_cast<float>(config.eps)),
        lr(static_cast<float>(update.lr)) {}

  PRECIPICE_HD float step(float g, float* moments) const {
    moments[0] = beta2 * moments[0] + rest2 * g * g;
    return lr * g / (std::sqrt(moments[0]) + eps);
  }

  static std::optional<Preconditioning> preconditioning(const OptimizerConfig&, std::int64_t) { return {}; }
};

namespace portable {
#include "optim/multi_tensor/multi_tensor-inl.h"
}  // namespace portable

struct PortableChunks {
  template <class Body>
  static ChunkResult run(const Body& body, float* const (&list)[Body::kLists], std::int64_t size) {
    return portable::run_chunk(body, list, size);
  }
};

}  // namespace

TEST_CASE("an optimizer that a test adds is a choice of optimizer.kind, trains, and resumes bit for bit") {
  const AddedOptimizer toy(optimizer_kind<RmsProp, PortableChunks>());
  const RunConfig config =
      tiny_config({"optimizer.kind=toy-rmsprop", "precision.recipe=bf16", "train.steps=4", "optimizer.lr=1e-3"});
  const auto tokens = open_tokens(config);
  const auto losses = [&](std::int64_t interrupt_at) {
    auto trainer = std::make_unique<Trainer>(config, *tokens);
    std::vector<SeriesRow> rows;
    std::vector<double> found;
    while (trainer->steps_done() < config.train.steps) {
      if (trainer->steps_done() == interrupt_at) {
        const Checkpoint saved = trainer->checkpoint("id");
        CHECK(std::ranges::count_if(saved.arrays, [](const auto& array) { return array.name.starts_with("v."); }) > 0);
        trainer = std::make_unique<Trainer>(config, *tokens);
        trainer->restore(saved, rows);
      }
      for (SeriesRow& row : trainer->step()) {
        if (row.group == 0) found.push_back(row.values.front());
        rows.push_back(std::move(row));
      }
    }
    return found;
  };
  const std::vector<double> straight = losses(-1);
  REQUIRE(straight.size() == 4);
  CHECK(straight.back() < straight.front());
  CHECK(losses(2) == straight);
  CHECK(arrays_of(config) == 2);  // gradients come on top
}

TEST_CASE("an added optimizer's update is its formula, clipped, with decay and in kept formats") {
  const AddedOptimizer toy(optimizer_kind<RmsProp, PortableChunks>());
  OptimizerConfig config;
  config.kind = "toy-rmsprop";
  config.lr = 0.5;
  config.beta2 = 0.75;
  config.eps = 0;
  config.weight_decay = 0.25;
  config.clip_norm = 0;
  float p[] = {2.0f, 2.0f}, g[] = {4.0f, 4.0f};
  Optimizer optimizer(config, {},
                      {{"decayed", {&p[0], 1}, {&g[0], 1}, true}, {"plain", {&p[1], 1}, {&g[1], 1}, false}});
  optimizer.step(0.5, 4.0);
  // v = 0.25 * 16 = 4, so that the step is 0.25 * 4 / 2 = 0.5; decay takes 0.25 * 0.25 * 2 more.
  CHECK(p[0] == 1.375f);
  CHECK(p[1] == 1.5f);
  CHECK(optimizer.state()[0].first == "v.decayed");
  CHECK(optimizer.state()[0].second.data[0] == 4.0f);
  CHECK_FALSE(optimizer.preconditioning());

  config.state.weights = "bf16-kahan";
  config.weight_decay = 0;
  float q = 2.0f, h = 4.0f;
  Optimizer compensated(config, parse_stored_formats(config.state), {{"w", {&q, 1}, {&h, 1}, false}});
  compensated.step(0.5, 4.0);
  CHECK(q == 1.5f);
}

TEST_CASE("an added optimizer is known as long as its object lives, and its name must be new") {
  const auto refused = [] {
    CHECK_THROWS_WITH(tiny_config({"optimizer.kind=toy-rmsprop"}), Catch::Contains("one of adamw, lion, sgd"));
  };
  refused();
  {
    const AddedOptimizer toy(optimizer_kind<RmsProp, PortableChunks>());
    CHECK(tiny_config({"optimizer.kind=toy-rmsprop"}).optimizer.kind == "toy-rmsprop");
    CHECK_THROWS_AS(AddedOptimizer(optimizer_kind<RmsProp, PortableChunks>()), ContractError);
  }
  refused();
}
