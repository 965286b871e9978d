// SPDX-License-Identifier: Apache-2.0
// SGD against torch.optim.SGD's documented algorithm in double.
#include "optim/rules/sgd.h"

#include <limits>

#include "tests/optim/rules/rule_support.h"

using namespace precipice;

namespace {

struct SgdOracle {
  double p, m = 0;
  void step(double g, const OptimizerConfig& c, const UpdateArgs& a) {
    g = g * a.grad_scale + a.weight_decay * p;
    if (c.momentum != 0) {
      m = a.step == 1 ? g : c.momentum * m + g;
      g = c.nesterov ? g + c.momentum * m : m;
    }
    p -= a.lr * g + a.independent_decay * p;
  }
};

OptimizerConfig sgd_config(double momentum, bool nesterov) {
  OptimizerConfig config;
  config.momentum = momentum;
  config.nesterov = nesterov;
  return config;
}

}  // namespace

TEST_CASE("sgd follows the formula for every choice of momentum and decay", "[rules]") {
  const double momentum = GENERATE(0.0, 0.9);
  const bool nesterov = GENERATE(false, true);
  UpdateArgs args{.lr = 0.05, .grad_scale = 0.37};
  args.weight_decay = GENERATE(0.0, 0.2);
  args.independent_decay = GENERATE(0.0, 0.01);
  CHECK(largest_error<Sgd, SgdOracle>(sgd_config(momentum, nesterov), args) < kFewUlp);
}

TEST_CASE("sgd's first update fills the momentum whatever was in it", "[rules]") {
  Tensors g{{{3.0f, -2.0f}}};
  Weights<Sgd> weights(Tensors{{{1.0f, 1.0f}}});
  weights.moments[0] = Tensors{{{std::numeric_limits<float>::quiet_NaN(), 5.0f}}};
  weights.update(g, sgd_config(0.9, false), {.lr = 0.5});
  CHECK(weights.moments[0].data == g.data);
  CHECK(weights.p.data == std::vector<std::vector<float>>{{-0.5f, 2.0f}});
}
