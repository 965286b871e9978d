// SPDX-License-Identifier: Apache-2.0
// Lion against algorithm 2 of arXiv 2302.06675 in double.
#include "optim/rules/lion.h"

#include <cmath>
#include <limits>

#include "optim/optimizer.h"
#include "tests/optim/rules/rule_support.h"

using namespace precipice;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct LionOracle {
  double p, m = 0;
  void step(double g, const OptimizerConfig& c, const UpdateArgs& a) {
    g *= a.grad_scale;
    const double direction = c.beta1 * m + (1 - c.beta1) * g;
    const double sign = direction > 0 ? 1 : direction < 0 ? -1 : 0;
    p -= a.lr * (sign + a.weight_decay * p) + a.independent_decay * p;
    m = c.beta2 * m + (1 - c.beta2) * g;
  }
};

OptimizerConfig lion_config() {
  OptimizerConfig config;
  config.kind = "lion";
  config.beta1 = 0.9;
  config.beta2 = 0.99;
  return config;
}

}  // namespace

TEST_CASE("lion follows the paper's algorithm with every kind of decay", "[rules]") {
  UpdateArgs args{.lr = 0.05};
  args.weight_decay = GENERATE(0.0, 0.2);
  args.independent_decay = GENERATE(0.0, 0.01);
  args.grad_scale = GENERATE(1.0, 0.37);
  // A wrong sign would be 2 lr = 0.1.
  CHECK(largest_error<Lion, LionOracle>(lion_config(), args) < kFewUlp);
}

TEST_CASE("lion's direction reads the momentum before it is updated", "[rules]") {
  // 0.9 * 1 + 0.1 * (-8.9) = 0.01 > 0, but with the new momentum 0.901: 0.9 * 0.901 - 0.89 < 0.
  Tensors g{{{-8.9f}}};
  Weights<Lion> weights(Tensors{{{0.0f}}});
  weights.moments[0].data[0][0] = 1.0f;
  weights.update(g, lion_config(), {.lr = 1});
  CHECK(weights.p.data[0][0] == -1.0f);
  CHECK(weights.moments[0].data[0][0] == Approx(0.99 - 0.089).epsilon(1e-6));
}

TEST_CASE("lion moves every weight by lr or not at all; NaN reaches its own weight, infinities are directions",
          "[rules]") {
  Tensors g{{{1e-30f, -1e30f, 0.0f, -0.0f, kNan, kInf, -kInf}}};
  Weights<Lion> weights(Tensors{{std::vector<float>(7, 1.0f)}});
  const UpdateNorms norms = weights.update(g, lion_config(), {.lr = 0.25});
  const auto& x = weights.p.data[0];
  CHECK(std::vector<float>(x.begin(), x.begin() + 4) == std::vector<float>{0.75f, 1.25f, 1.0f, 1.0f});
  CHECK(std::isnan(x[4]));
  CHECK(x[5] == 0.75f);
  CHECK(x[6] == 1.25f);
  CHECK(std::isnan(norms.update));
  CHECK(norms.weight == 7.0);
}

TEST_CASE("the lion optimizer applies the configured betas, decay and schedule", "[rules]") {
  OptimizerConfig config;
  config.kind = "lion";
  config.lr = 0.5;
  config.beta1 = 0.5;
  config.beta2 = 0.75;
  config.weight_decay = 0.25;
  config.clip_norm = 0;
  config.decay = GENERATE(DecayCoupling::Coupled, DecayCoupling::Independent);
  Tensors g{{{4.0f}}}, p{{{2.0f}}};
  const auto optimizer = make_optimizer(config, {{"w", p.list()[0], g.list()[0], true}});
  optimizer->step(0.5, 1.0);
  // Learning rate 0.25: 2 - 0.25 - 0.25 * 0.25 * 2, or with decay outside it 2 - 0.25 - 0.5 * 0.25 * 2. All exact.
  CHECK(p.data[0][0] == (config.decay == DecayCoupling::Coupled ? 1.625f : 1.5f));
  const auto state = optimizer->state();
  REQUIRE(state.size() == 1);
  CHECK(state[0].first == "m.w");
  CHECK(state[0].second.data[0] == 1.0f);
}
