// SPDX-License-Identifier: Apache-2.0
// The adam and sgd kernels against the papers' formulas in double, and apex's flag and buffer semantics.
#include <algorithm>
#include <cmath>
#include <limits>

#include "optim/multi_tensor/multi_tensor.h"
#include "tests/optim/tensors.h"
#include "tests/support/catch.h"

using namespace precipice;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// A handful of fp32 roundings per step (2^-24 = 6e-8 each) on weights and moments of size about 1, over 5 steps.
constexpr double kFewUlp = 2e-6;

// apex's two modes, per element, in double: update = m_hat / (sqrt(v_hat) + eps), then p -= lr (update + wd p).
struct AdamOracle {
  double p, m = 0, v = 0;
  void step(double g, const AdamArgs& a) {
    g *= a.grad_scale;
    if (a.mode == AdamMode::L2) g += a.weight_decay * p;
    m = a.beta1 * m + (1 - a.beta1) * g;
    v = a.beta2 * v + (1 - a.beta2) * g * g;
    const double t = static_cast<double>(a.step);
    const double m_hat = a.bias_correction ? m / (1 - std::pow(a.beta1, t)) : m;
    const double v_hat = a.bias_correction ? v / (1 - std::pow(a.beta2, t)) : v;
    double update = m_hat / (std::sqrt(v_hat) + a.eps);
    if (a.mode == AdamMode::DecoupledDecay) update += a.weight_decay * p;
    p -= a.lr * update + a.independent_decay * p;
  }
};

// torch.optim.SGD's documented algorithm, with apex's decay after momentum as the other choice.
struct SgdOracle {
  double p, b = 0;
  void step(double g, const SgdArgs& a) {
    g *= a.grad_scale;
    if (!a.weight_decay_after_momentum) g += a.weight_decay * p;
    if (a.momentum != 0) {
      b = a.first_run ? g : a.momentum * b + (1 - a.dampening) * g;
      g = a.nesterov ? g + a.momentum * b : b;
    }
    if (a.weight_decay_after_momentum) g += a.weight_decay * p;
    p -= a.lr * g + a.independent_decay * p;
  }
};

// Largest |kernel - oracle| over `steps` updates with fresh gradients.
template <class Oracle, class Args, class Kernel>
double largest_error(Args args, int steps, Tensors& p, Kernel kernel, void (*prepare)(Args&, int)) {
  std::vector<std::vector<Oracle>> oracles;
  for (const auto& tensor : p.data) {
    auto& row = oracles.emplace_back();
    for (const float x : tensor) row.push_back(Oracle{x});
  }
  double worst = 0;
  for (int step = 1; step <= steps; ++step) {
    Tensors g = random_tensors(kSizes, 100u + static_cast<std::uint32_t>(step), 2.0f);
    const Tensors before = g;
    prepare(args, step);
    kernel(g, args);
    CHECK(g.data == before.data);
    for_each_element(p, [&](std::size_t t, std::size_t i) {
      oracles[t][i].step(g.data[t][i], args);
      worst = std::max(worst, std::abs(oracles[t][i].p - static_cast<double>(p.data[t][i])));
    });
  }
  return worst;
}

}  // namespace

TEST_CASE("adam follows the formula in both decay modes, with and without bias correction", "[multi_tensor]") {
  AdamArgs args;
  args.lr = 0.05;
  args.beta1 = 0.9;
  args.beta2 = 0.99;
  args.eps = 1e-3;
  args.weight_decay = 0.2;
  args.mode = GENERATE(AdamMode::L2, AdamMode::DecoupledDecay);
  args.bias_correction = GENERATE(true, false);
  args.independent_decay = GENERATE(0.0, 0.01);
  args.grad_scale = GENERATE(1.0, 0.37);
  Tensors p = random_tensors(kSizes, 1), m = zero_tensors(kSizes), v = zero_tensors(kSizes);
  const double error = largest_error<AdamOracle, AdamArgs>(
      args, 5, p,
      [&](Tensors& g, const AdamArgs& a) {
        std::int32_t noop = 0;
        multi_tensor_adam(kTestChunk, &noop, {g.list(), p.list(), m.list(), v.list()}, a);
      },
      [](AdamArgs& a, int step) { a.step = step; });
  CHECK(error < kFewUlp);
}

TEST_CASE("adam's 1 - beta is rounded from double: beta2 = 0.999 leaves no 1e-5 error in the moment",
          "[multi_tensor]") {
  Tensors g{{{1.0f}}}, p{{{0.0f}}}, m{{{0.0f}}}, v{{{0.0f}}};
  AdamArgs args;
  args.beta1 = 0.9;
  args.beta2 = 0.999;
  std::int32_t noop = 0;
  multi_tensor_adam(kTestChunk, &noop, {g.list(), p.list(), m.list(), v.list()}, args);
  CHECK(m.data[0][0] == 0.1f);
  CHECK(v.data[0][0] == 0.001f);
}

TEST_CASE("sgd follows the formula for every choice of momentum and decay", "[multi_tensor]") {
  SgdArgs args;
  args.lr = 0.05;
  args.momentum = GENERATE(0.0, 0.9);
  args.dampening = GENERATE(0.0, 0.3);
  args.nesterov = GENERATE(false, true);
  args.weight_decay = GENERATE(0.0, 0.2);
  args.weight_decay_after_momentum = GENERATE(false, true);
  args.independent_decay = GENERATE(0.0, 0.01);
  args.grad_scale = 0.37;
  Tensors p = random_tensors(kSizes, 1), momentum = random_tensors(kSizes, 2);
  const double error = largest_error<SgdOracle, SgdArgs>(
      args, 5, p,
      [&](Tensors& g, const SgdArgs& a) {
        std::int32_t noop = 0;
        multi_tensor_sgd(kTestChunk, &noop, {g.list(), p.list(), momentum.list()}, a);
      },
      [](SgdArgs& a, int step) { a.first_run = step == 1; });
  CHECK(error < kFewUlp);
}

TEST_CASE("sgd's first run fills the momentum buffer whatever was in it", "[multi_tensor]") {
  Tensors g{{{3.0f, -2.0f}}}, p{{{1.0f, 1.0f}}}, momentum{{{kNan, 5.0f}}};
  SgdArgs args;
  args.lr = 0.5;
  args.momentum = 0.9;
  args.dampening = 0.5;
  args.first_run = true;
  std::int32_t noop = 0;
  multi_tensor_sgd(kTestChunk, &noop, {g.list(), p.list(), momentum.list()}, args);
  CHECK(momentum.data == g.data);
  CHECK(p.data == std::vector<std::vector<float>>{{-0.5f, 2.0f}});
}

TEST_CASE("sgd does nothing when the flag is set; adam goes on", "[multi_tensor]") {
  Tensors g = random_tensors(kSizes, 3), p = random_tensors(kSizes, 4), m = random_tensors(kSizes, 5);
  const Tensors p_before = p, m_before = m;
  std::int32_t noop = 1;
  SgdArgs sgd;
  sgd.lr = 1;
  sgd.momentum = 0.9;
  const UpdateNorms norms = multi_tensor_sgd(kTestChunk, &noop, {g.list(), p.list(), m.list()}, sgd);
  CHECK(p.data == p_before.data);
  CHECK(m.data == m_before.data);
  CHECK(norms.update == 0.0);
  CHECK(norms.weight == 0.0);

  Tensors v = zero_tensors(kSizes);
  AdamArgs adam;
  adam.lr = 1;
  multi_tensor_adam(kTestChunk, &noop, {g.list(), p.list(), m.list(), v.list()}, adam);
  CHECK(p.data != p_before.data);
}

TEST_CASE("the by-products are the squared norms of the weights before and of the change made", "[multi_tensor]") {
  Tensors g = random_tensors(kSizes, 6), p = random_tensors(kSizes, 7), m = zero_tensors(kSizes);
  Tensors v = zero_tensors(kSizes);
  std::int32_t noop = 0;
  UpdateNorms norms;
  const Tensors before = p;
  if (GENERATE(true, false)) {
    AdamArgs args;
    args.lr = 0.1;
    args.beta1 = 0.9;
    args.beta2 = 0.95;
    norms = multi_tensor_adam(kTestChunk, &noop, {g.list(), p.list(), m.list(), v.list()}, args);
  } else {
    SgdArgs args;
    args.lr = 0.1;
    norms = multi_tensor_sgd(kTestChunk, &noop, {g.list(), p.list(), m.list()}, args);
  }
  // Double sums of 5e4 terms: error below 5e4 * 2^-53.
  CHECK(norms.weight == Approx(static_cast<double>(squared_distance(before))).epsilon(6e-12));
  CHECK(norms.update == Approx(static_cast<double>(squared_distance(p, &before))).epsilon(6e-12));
}

TEST_CASE("a NaN gradient reaches its own weight and no other", "[multi_tensor]") {
  Tensors g = random_tensors({3000}, 8), p = random_tensors({3000}, 9), m = zero_tensors({3000});
  Tensors v = zero_tensors({3000});
  g.data[0][1500] = kNan;
  AdamArgs args;
  args.lr = 0.1;
  args.eps = 1e-8;
  std::int32_t noop = 0;
  const UpdateNorms norms = multi_tensor_adam(kTestChunk, &noop, {g.list(), p.list(), m.list(), v.list()}, args);
  std::size_t nans = 0;
  for (const float x : p.data[0]) nans += std::isnan(x);
  CHECK(nans == 1);
  CHECK(std::isnan(p.data[0][1500]));
  CHECK(std::isnan(norms.update));
  CHECK(std::isfinite(norms.weight));
  CHECK(noop == 0);
}

TEST_CASE("the chunk size changes no weight and the norms only in their last digits", "[multi_tensor]") {
  AdamArgs args;
  args.lr = 0.1;
  args.beta1 = 0.9;
  args.beta2 = 0.95;
  args.eps = 1e-8;
  std::vector<Tensors> weights;
  std::vector<double> updates;
  for (const std::int64_t chunk : {std::int64_t{1}, std::int64_t{1000}, kTestChunk, kChunkSize}) {
    Tensors g = random_tensors(kSizes, 10), p = random_tensors(kSizes, 11), m = zero_tensors(kSizes);
    Tensors v = zero_tensors(kSizes);
    std::int32_t noop = 0;
    updates.push_back(multi_tensor_adam(chunk, &noop, {g.list(), p.list(), m.list(), v.list()}, args).update);
    weights.push_back(p);
    CHECK(weights.back().data == weights.front().data);
    CHECK(updates.back() == Approx(updates.front()).epsilon(6e-12));
  }
}
