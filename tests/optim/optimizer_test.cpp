// SPDX-License-Identifier: Apache-2.0
// Optimizers: unscaling, clipping, the decay groups, resuming, and the norms they report.
#include "optim/optimizer.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "precision/base/check.h"
#include "tests/optim/tensors.h"
#include "tests/support/catch.h"

using namespace precipice;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
// One to three fp32 roundings of a value near the expected one.
constexpr double kUlps = 3 * 0x1p-24;

// A matrix that decays, a vector that does not, and an empty tensor.
struct Model {
  Tensors value = random_tensors({3000, 50, 0}, 1), grad = random_tensors({3000, 50, 0}, 2);

  std::vector<Parameter> parameters() {
    const TensorList values = value.list(), grads = grad.list();
    return {{"matrix", values[0], grads[0], true},
            {"bias", values[1], grads[1], false},
            {"none", values[2], grads[2], true}};
  }
};

OptimizerConfig config_of(const std::string& kind) {
  OptimizerConfig config;
  config.kind = kind;
  config.clip_norm = 0;
  return config;
}

double root(long double square) {
  return static_cast<double>(std::sqrt(square));
}

}  // namespace

TEST_CASE("unscale divides every gradient by the loss scale and returns the norm", "[optimizer]") {
  Model model;
  const Tensors before = model.grad;
  for (auto& tensor : model.grad.data) {
    for (float& g : tensor) g *= 65536.0f;
  }
  const auto optimizer = make_optimizer(config_of("adamw"), model.parameters());
  const GradStats stats = optimizer->unscale(65536.0);
  CHECK(stats.finite);
  CHECK(model.grad.data == before.data);
  CHECK(stats.norm == Approx(root(squared_distance(before))).epsilon(1e-12));
}

TEST_CASE("unscale reports an infinity or NaN in any parameter", "[optimizer]") {
  const double bad = GENERATE(values<double>({kInf, -kInf, kNan}));
  const std::size_t tensor = GENERATE(0u, 1u);
  Model model;
  model.grad.data[tensor].back() = static_cast<float>(bad);
  const auto optimizer = make_optimizer(config_of("sgd"), model.parameters());
  const GradStats stats = optimizer->unscale(1.0);
  CHECK_FALSE(stats.finite);
  CHECK((std::isnan(bad) ? std::isnan(stats.norm) : stats.norm == kInf));
}

TEST_CASE("clipping scales gradients to the norm, leaves smaller ones alone, and 0 turns it off", "[optimizer]") {
  struct Row {
    double clip_norm, grad_norm, expected;
  };
  // 1e-6 in the denominator as in torch.nn.utils.clip_grad_norm_.
  const Row row = GENERATE(values<Row>(
      {{1.0, 4.0, 1.0 / 4.000001}, {1.0, 0.5, 1.0}, {1.0, 0.0, 1.0}, {0.25, 0.5, 0.25 / 0.500001}, {0.0, 1e9, 1.0}}));
  Model model;
  const Tensors before = model.value;
  OptimizerConfig config = config_of("sgd");
  config.lr = 1;
  config.weight_decay = 0;
  config.clip_norm = row.clip_norm;
  make_optimizer(config, model.parameters())->step(1.0, row.grad_norm);
  double worst = 0;
  for_each_element(before, [&](std::size_t t, std::size_t i) {
    const double expected = before.data[t][i] - row.expected * model.grad.data[t][i];
    worst = std::max(worst, std::abs(model.value.data[t][i] - expected));
  });
  CHECK(worst < 2 * kUlps);  // values up to 2
}

TEST_CASE("a NaN gradient norm makes every weight NaN, an infinite one stops the finite gradients", "[optimizer]") {
  const std::string kind = GENERATE("adamw", "lion", "sgd");
  OptimizerConfig config = config_of(kind);
  config.clip_norm = 1;
  config.weight_decay = 0;
  Model model;
  const Tensors before = model.value;
  model.grad.data[1][3] = static_cast<float>(kInf);
  make_optimizer(config, model.parameters())->step(1.0, kInf);
  for_each_element(before, [&](std::size_t t, std::size_t i) {
    const bool same = model.value.data[t][i] == before.data[t][i];
    if (t == 1 && i == 3) {
      CHECK(std::isnan(model.value.data[t][i]));
    } else if (!same) {
      FAIL("weight " << t << ", " << i << " moved");
    }
  });
  make_optimizer(config, model.parameters())->step(1.0, kNan);
  std::size_t numbers = 0;
  for_each_element(before, [&](std::size_t t, std::size_t i) { numbers += !std::isnan(model.value.data[t][i]); });
  CHECK(numbers == 0);
}

TEST_CASE("without a gradient only the decayed group shrinks: by lr wd coupled, by s wd independent", "[optimizer]") {
  const std::string kind = GENERATE("adamw", "lion", "sgd");
  const DecayCoupling decay = GENERATE(DecayCoupling::Coupled, DecayCoupling::Independent);
  OptimizerConfig config = config_of(kind);
  config.decay = decay;
  config.lr = 0.2;
  config.weight_decay = 0.1;
  const double factor = 0.5;
  const double expected = decay == DecayCoupling::Coupled ? 1 - factor * 0.2 * 0.1 : 1 - factor * 0.1;

  Model model;
  model.grad = zero_tensors({3000, 50, 0});
  const Tensors before = model.value;
  make_optimizer(config, model.parameters())->step(factor, 0.0);
  CHECK(model.value.data[1] == before.data[1]);
  double worst = 0;
  for (std::size_t i = 0; i < before.data[0].size(); ++i) {
    worst = std::max(worst, std::abs(model.value.data[0][i] - expected * before.data[0][i]));
  }
  CHECK(worst < kUlps);
}

TEST_CASE("a factor of zero changes no weight and still counts as an update", "[optimizer]") {
  const std::string kind = GENERATE("adamw", "lion", "sgd");
  const DecayCoupling decay = GENERATE(DecayCoupling::Coupled, DecayCoupling::Independent);
  OptimizerConfig config = config_of(kind);
  config.decay = decay;
  Model model;
  const Tensors before = model.value;
  const auto optimizer = make_optimizer(config, model.parameters());
  const UpdateStats stats = optimizer->step(0.0, 1.0);
  CHECK(model.value.data == before.data);
  CHECK(stats.update_ratio == 0.0);
  CHECK(optimizer->updates() == 1);
}

TEST_CASE("the reported norms cover both groups; the ratio of all-zero weights is NaN", "[optimizer]") {
  const std::string kind = GENERATE("adamw", "lion", "sgd");
  Model model;
  const Tensors before = model.value;
  const auto optimizer = make_optimizer(config_of(kind), model.parameters());
  const UpdateStats stats = optimizer->step(1.0, 1.0);
  CHECK(stats.param_norm == Approx(root(squared_distance(before))).epsilon(1e-12));
  CHECK(stats.update_ratio ==
        Approx(root(squared_distance(model.value, &before) / squared_distance(before))).epsilon(1e-12));

  model.value = zero_tensors({3000, 50, 0});
  CHECK(std::isnan(make_optimizer(config_of(kind), model.parameters())->step(1.0, 1.0).update_ratio));
}

TEST_CASE("an optimizer built on a saved state goes on bit for bit", "[optimizer]") {
  const std::string kind = GENERATE("adamw", "lion", "sgd");
  OptimizerConfig config = config_of(kind);
  Model straight, resumed;
  auto optimizer = make_optimizer(config, straight.parameters());
  for (int step = 0; step < 3; ++step) optimizer->step(1.0, 1.0);

  resumed.value = straight.value;
  auto second = make_optimizer(config, resumed.parameters());
  auto saved = optimizer->state(), target = second->state();
  REQUIRE(saved.size() == target.size());
  for (std::size_t s = 0; s < saved.size(); ++s) {
    CHECK(saved[s].first == target[s].first);
    REQUIRE(saved[s].second.size == target[s].second.size);
    std::copy_n(saved[s].second.data, saved[s].second.size, target[s].second.data);
  }
  second->set_updates(optimizer->updates());
  for (int step = 0; step < 3; ++step) {
    const Tensors fresh = random_tensors({3000, 50, 0}, 20u + static_cast<std::uint32_t>(step));
    for_each_element(fresh, [&](std::size_t t, std::size_t i) {
      straight.grad.data[t][i] = resumed.grad.data[t][i] = fresh.data[t][i];
    });
    optimizer->step(0.5, 1.0);
    second->step(0.5, 1.0);
  }
  CHECK(straight.value.data == resumed.value.data);
}

TEST_CASE("state buffers are named after their parameters", "[optimizer]") {
  const auto names = [](const std::string& kind) {
    Model model;
    std::vector<std::string> found;
    for (const auto& [name, span] : make_optimizer(config_of(kind), model.parameters())->state()) found.push_back(name);
    return found;
  };
  CHECK(names("adamw") == std::vector<std::string>{"m.matrix", "m.bias", "m.none", "v.matrix", "v.bias", "v.none"});
  CHECK(names("sgd") == std::vector<std::string>{"momentum.matrix", "momentum.bias", "momentum.none"});
}

TEST_CASE("unknown optimizers are refused", "[optimizer]") {
  Model model;
  CHECK_THROWS_AS(make_optimizer(config_of("adam"), model.parameters()), ConfigError);
}

TEST_CASE("a parameter whose gradient has another size is a broken contract", "[optimizer]") {
  Model model;
  auto parameters = model.parameters();
  parameters[0].grad.size -= 1;
  CHECK_THROWS_AS(make_optimizer(config_of("adamw"), parameters), ContractError);
}
