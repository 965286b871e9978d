// SPDX-License-Identifier: Apache-2.0
// AdamW against its papers' formula in double, and what every update reports.
#include "optim/rules/adamw.h"

#include <cmath>
#include <limits>

#include "tests/optim/rules/rule_support.h"

using namespace precipice;

namespace {

// update = m_hat / (sqrt(v_hat) + eps), then p -= lr (update + wd p).
struct AdamOracle {
  double p, m = 0, v = 0;
  void step(double g, const OptimizerConfig& c, const UpdateArgs& a) {
    g *= a.grad_scale;
    m = c.beta1 * m + (1 - c.beta1) * g;
    v = c.beta2 * v + (1 - c.beta2) * g * g;
    double correction1 = 1, correction2 = 1;
    for (std::int64_t t = 0; t < a.step; ++t) correction1 *= c.beta1, correction2 *= c.beta2;
    const double update = m / (1 - correction1) / (std::sqrt(v / (1 - correction2)) + c.eps);
    p -= a.lr * (update + a.weight_decay * p) + a.independent_decay * p;
  }
};

OptimizerConfig adam_config(double beta2) {
  OptimizerConfig config;
  config.beta1 = 0.9;
  config.beta2 = beta2;
  return config;
}

}  // namespace

TEST_CASE("adamw follows the formula with both kinds of decay", "[rules]") {
  OptimizerConfig config = adam_config(0.99);
  config.eps = 1e-3;
  UpdateArgs args{.lr = 0.05, .weight_decay = 0.2};
  args.independent_decay = GENERATE(0.0, 0.01);
  args.grad_scale = GENERATE(1.0, 0.37);
  CHECK(largest_error<AdamW, AdamOracle>(config, args) < kFewUlp);
}

TEST_CASE("adamw's 1 - beta is rounded from double: beta2 = 0.999 leaves no 1e-5 error in the moment", "[rules]") {
  Tensors g{{{1.0f}}};
  Weights<AdamW> weights(Tensors{{{0.0f}}});
  weights.update(g, adam_config(0.999), {});
  CHECK(weights.moments[0].data[0][0] == 0.1f);
  CHECK(weights.moments[1].data[0][0] == 0.001f);
}

TEST_CASE("the by-products are the squared norms of the weights before and of the change made", "[rules]") {
  Tensors g = random_tensors(kSizes, 6);
  Weights<AdamW> weights(random_tensors(kSizes, 7));
  const Tensors before = weights.p;
  const UpdateNorms norms = weights.update(g, adam_config(0.95), {.lr = 0.1});
  // Double sums of 1.2e5 terms: error below 1.2e5 * 2^-53.
  CHECK(norms.weight == Approx(static_cast<double>(squared_distance(before))).epsilon(1.4e-11));
  CHECK(norms.update == Approx(static_cast<double>(squared_distance(weights.p, &before))).epsilon(1.4e-11));
}

TEST_CASE("a NaN gradient reaches its own weight and no other", "[rules]") {
  Tensors g = random_tensors({3000}, 8);
  g.data[0][1500] = std::numeric_limits<float>::quiet_NaN();
  Weights<AdamW> weights(random_tensors({3000}, 9));
  const UpdateNorms norms = weights.update(g, adam_config(0.95), {.lr = 0.1});
  std::size_t nans = 0;
  for (const float x : weights.p.data[0]) nans += std::isnan(x);
  CHECK(nans == 1);
  CHECK(std::isnan(weights.p.data[0][1500]));
  CHECK(std::isnan(norms.update));
  CHECK(std::isfinite(norms.weight));
}

TEST_CASE("lists without tensors are no work; lists of other sizes or numbers are a broken contract", "[rules]") {
  const OptimizerConfig config = adam_config(0.95);
  for (const TensorList& list : {TensorList{}, TensorList{{nullptr, 0}, {nullptr, 0}}})
    CHECK(multi_tensor_update<AdamW>(config, {}, {list, list, list, list}).weight == 0.0);
  Tensors a = random_tensors({10}, 1), shorter = random_tensors({9}, 1), more = random_tensors({10, 10}, 1);
  const auto refused = [&](const TensorLists& lists) {
    CHECK_THROWS_AS(multi_tensor_update<AdamW>(config, {}, lists), ContractError);
  };
  refused({a.list(), a.list(), a.list()});
  refused({a.list(), a.list(), a.list(), shorter.list()});
  refused({a.list(), a.list(), a.list(), more.list()});
  refused({a.list(), a.list(), a.list(), {{nullptr, 10}}});
  CHECK_THROWS_AS(multi_tensor_update<AdamW>(config, {.step = 0}, {a.list(), a.list(), a.list(), a.list()}),
                  ContractError);
}
