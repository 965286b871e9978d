// SPDX-License-Identifier: Apache-2.0
// Lion against algorithm 2 of arXiv 2302.06675 in double.
#include <algorithm>
#include <cmath>
#include <limits>

#include "optim/multi_tensor/multi_tensor.h"
#include "optim/optimizer.h"
#include "tests/optim/tensors.h"
#include "tests/support/catch.h"

using namespace precipice;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct LionOracle {
  double p, m = 0;
  void step(double g, const LionArgs& a) {
    g *= a.grad_scale;
    const double c = a.beta1 * m + (1 - a.beta1) * g;
    const double sign = c > 0 ? 1 : c < 0 ? -1 : 0;
    p -= a.lr * (sign + a.weight_decay * p) + a.independent_decay * p;
    m = a.beta2 * m + (1 - a.beta2) * g;
  }
};

}  // namespace

TEST_CASE("lion follows the paper's algorithm with every kind of decay", "[lion]") {
  LionArgs args;
  args.lr = 0.05;
  args.beta1 = 0.9;
  args.beta2 = 0.99;
  args.weight_decay = GENERATE(0.0, 0.2);
  args.independent_decay = GENERATE(0.0, 0.01);
  args.grad_scale = GENERATE(1.0, 0.37);
  Tensors p = random_tensors(kSizes, 1), m = zero_tensors(kSizes);
  std::vector<std::vector<LionOracle>> oracles;
  for (const auto& tensor : p.data) {
    auto& row = oracles.emplace_back();
    for (const float x : tensor) row.push_back(LionOracle{x});
  }
  double worst_p = 0, worst_m = 0;
  for (std::uint32_t step = 1; step <= 5; ++step) {
    Tensors g = random_tensors(kSizes, 100u + step, 2.0f);
    const Tensors before = g;
    std::int32_t noop = 1;  // not read
    multi_tensor_lion(kTestChunk, &noop, {g.list(), p.list(), m.list()}, args);
    CHECK(g.data == before.data);
    for_each_element(p, [&](std::size_t t, std::size_t i) {
      oracles[t][i].step(g.data[t][i], args);
      worst_p = std::max(worst_p, std::abs(oracles[t][i].p - static_cast<double>(p.data[t][i])));
      worst_m = std::max(worst_m, std::abs(oracles[t][i].m - static_cast<double>(m.data[t][i])));
    });
  }
  // A few fp32 roundings a step of values up to about 1; a wrong sign would be 2 lr = 0.1.
  CHECK(worst_p < 2e-6);
  CHECK(worst_m < 2e-6);
}

TEST_CASE("lion's direction reads the momentum before it is updated", "[lion]") {
  // 0.9 * 1 + 0.1 * (-8.9) = 0.01 > 0, but with the new momentum 0.901: 0.9 * 0.901 - 0.89 < 0.
  Tensors g{{{-8.9f}}}, p{{{0.0f}}}, m{{{1.0f}}};
  LionArgs args;
  args.lr = 1;
  args.beta1 = 0.9;
  args.beta2 = 0.99;
  std::int32_t noop = 0;
  multi_tensor_lion(kTestChunk, &noop, {g.list(), p.list(), m.list()}, args);
  CHECK(p.data[0][0] == -1.0f);
  CHECK(m.data[0][0] == Approx(0.99 - 0.089).epsilon(1e-6));
}

TEST_CASE("lion moves every weight by lr or not at all; NaN reaches its own weight, infinities are directions",
          "[lion]") {
  Tensors g{{{1e-30f, -1e30f, 0.0f, -0.0f, kNan, kInf, -kInf}}}, p{{std::vector<float>(7, 1.0f)}};
  Tensors m = zero_tensors({7});
  LionArgs args;
  args.lr = 0.25;
  args.beta1 = 0.9;
  args.beta2 = 0.99;
  std::int32_t noop = 0;
  const UpdateNorms norms = multi_tensor_lion(kTestChunk, &noop, {g.list(), p.list(), m.list()}, args);
  const auto& x = p.data[0];
  CHECK(std::vector<float>(x.begin(), x.begin() + 4) == std::vector<float>{0.75f, 1.25f, 1.0f, 1.0f});
  CHECK(std::isnan(x[4]));
  CHECK(x[5] == 0.75f);
  CHECK(x[6] == 1.25f);
  CHECK(noop == 0);
  CHECK(std::isnan(norms.update));
  CHECK(norms.weight == 7.0);
}

TEST_CASE("the lion optimizer applies the configured betas, decay and schedule", "[lion]") {
  OptimizerConfig config;
  config.kind = "lion";
  config.lr = 0.5;
  config.beta1 = 0.5;
  config.beta2 = 0.75;
  config.weight_decay = 0.25;
  config.clip_norm = 0;
  config.decay = GENERATE("coupled", "independent");
  Tensors g{{{4.0f}}}, p{{{2.0f}}};
  const auto optimizer = make_optimizer(config, {{"w", p.list()[0], g.list()[0], true}});
  optimizer->step(0.5, 1.0);
  // Learning rate 0.25: 2 - 0.25 - 0.25 * 0.25 * 2, or with decay outside it 2 - 0.25 - 0.5 * 0.25 * 2. All exact.
  CHECK(p.data[0][0] == (config.decay == "coupled" ? 1.625f : 1.5f));
  const auto state = optimizer->state();
  REQUIRE(state.size() == 1);
  CHECK(state[0].first == "m.w");
  CHECK(state[0].second.data[0] == 1.0f);
}
