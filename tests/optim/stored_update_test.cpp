// SPDX-License-Identifier: Apache-2.0
// Updates of weights and moments that are kept in low precision, against AdamW in plain fp32 loops whose results are
// rounded by the slow reference; and what is known of each way to keep weights: nearest loses, Kahan and stochastic
// rounding do not.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <map>

#include "optim/optimizer.h"
#include "tests/optim/tensors.h"
#include "tests/support/catch.h"
#include "tests/support/reference_rounding.h"

using namespace precipice;

namespace {

constexpr std::uint64_t kSeed = 0x123456789ABCDEFull;
const std::vector<std::int64_t> kShape = {3000, 50, 0};

struct Model {
  Tensors value = random_tensors(kShape, 1), grad = random_tensors(kShape, 2);

  std::vector<Parameter> parameters() {
    const TensorList values = value.list(), grads = grad.list();
    return {{"matrix", values[0], grads[0], true},
            {"bias", values[1], grads[1], false},
            {"none", values[2], grads[2], true}};
  }
};

OptimizerConfig config_of(const std::string& kind, const StateConfig& state = {}) {
  OptimizerConfig config;
  config.kind = kind;
  config.clip_norm = 0;
  config.state = state;
  return config;
}

struct Case {
  const char* name;
  StateConfig state;
};

// The published ways and some of ours.
std::vector<Case> cases() {
  return {{"bf16", {.weights = "bf16"}},
          {"bf16-sr", {.weights = "bf16-sr", .moment1 = "bf16-sr", .moment2 = "bf16-sr"}},
          {"kahan", {.weights = "bf16-kahan", .moment1 = "bf16", .moment2 = "bf16"}},
          {"ms-amp-o1", {.weights = "fp16", .weight_scaling = "ms-amp"}},
          {"ms-amp-o2",
           {.weights = "fp16",
            .weight_scaling = "ms-amp",
            .moment1 = "e4m3",
            .moment2 = "fp16",
            .state_scaling = "ms-amp"}},
          {"intel", {.moment1 = "e4m3", .moment2 = "e5m2"}},
          {"blocks", {.moment1 = "e4m3-sr", .moment2 = "e4m3", .state_scaling = "current:block=128"}},
          {"deepseek-v3", {.moment1 = "bf16", .moment2 = "bf16"}},
          {"rtz", {.weights = "bf16-rtz"}},
          {"e5m2 weights", {.weights = "e5m2-sr", .weight_scaling = "current:block=64"}}};
}

// Rounds one array as `format` does: power-of-two or exact division scales in double.
void keep(std::vector<float>& x, const StoredFormat& f, std::uint32_t update, std::uint32_t parameter,
          std::uint16_t operand) {
  if (f.format.is_fp32()) return;
  const RandomKey key{kSeed, update, 0x80000000u + parameter, operand};
  const std::size_t block = f.block == 0 ? std::max<std::size_t>(x.size(), 1) : static_cast<std::size_t>(f.block);
  for (std::size_t begin = 0; begin < x.size(); begin += block) {
    const std::size_t end = std::min(begin + block, x.size());
    float amax = 0;
    for (std::size_t i = begin; i < end; ++i) amax = std::max(amax, std::abs(x[i]));
    const double max = reference::max_finite(f.format);
    double scale = 1;
    if (f.rule == StoredScaling::Current) scale = static_cast<float>(max / static_cast<double>(amax));
    if (f.rule == StoredScaling::MsAmp) scale = std::exp2(std::floor(std::log2(max / static_cast<double>(amax))));
    for (std::size_t i = begin; i < end; ++i) {
      const float scaled = x[i] * static_cast<float>(scale);
      x[i] = reference::round(f.format, f.rounding, Overflow::Saturate, scaled, random_word(key, i)) *
             static_cast<float>(1 / scale);
    }
  }
}

// AdamW, coupled decay, no clipping.
struct Oracle {
  OptimizerConfig config;
  StoredFormats formats = parse_stored_formats(config.state);
  Tensors p, m = zero_tensors(kShape), v = zero_tensors(kShape), k = zero_tensors(kShape);

  void start() {
    for (std::uint32_t t = 0; t < kShape.size(); ++t) {
      StoredFormat nearest = formats.weights;
      nearest.rounding = Rounding::NearestEven;
      keep(p.data[t], nearest, 0, t, 0);
    }
  }

  float nearest(float x) const {
    return reference::round(formats.weights.format, Rounding::NearestEven, Overflow::Native, x);
  }

  void step(const Tensors& grad, double factor, std::uint32_t update) {
    const double lr = factor * config.lr, n = update;
    const auto b1 = static_cast<float>(config.beta1), b2 = static_cast<float>(config.beta2);
    const auto r1 = static_cast<float>(1 - config.beta1), r2 = static_cast<float>(1 - config.beta2);
    const auto root = static_cast<float>(std::sqrt(1 - std::pow(config.beta2, n)));
    const auto size = static_cast<float>(lr / (1 - std::pow(config.beta1, n)));
    for (std::uint32_t t = 0; t < kShape.size(); ++t) {
      const double decay = t == 1 ? 0.0 : lr * config.weight_decay;
      for (std::size_t i = 0; i < p.data[t].size(); ++i) {
        float &w = p.data[t][i], &first = m.data[t][i], &second = v.data[t][i], &lost = k.data[t][i];
        const float g = grad.data[t][i];
        first = b1 * first + r1 * g;
        second = b2 * second + r2 * g * g;
        const float move = size * first / (std::sqrt(second) / root + static_cast<float>(config.eps));
        if (!formats.weights.kahan) {
          w = w * static_cast<float>(1 - decay) - move;
          continue;
        }
        const float u = nearest(lost + -(move + static_cast<float>(decay) * w));
        const float next = nearest(w + u);
        lost = nearest(u + nearest(w - next));
        w = next;
      }
      keep(m.data[t], formats.moment1, update, t, 1);
      keep(v.data[t], formats.moment2, update, t, 2);
      if (!formats.weights.kahan) keep(p.data[t], formats.weights, update, t, 0);
    }
  }
};

std::size_t differences(const Tensors& a, const Tensors& b) {
  std::size_t count = 0;
  for_each_element(a, [&](std::size_t t, std::size_t i) {
    count += std::bit_cast<std::uint32_t>(a.data[t][i]) != std::bit_cast<std::uint32_t>(b.data[t][i]);
  });
  return count;
}

// The state array `prefix` of every parameter.
Tensors state_of(Optimizer& optimizer, const std::string& prefix) {
  Tensors found;
  for (const auto& [name, span] : optimizer.state()) {
    if (name.starts_with(prefix)) found.data.emplace_back(span.data, span.data + span.size);
  }
  return found;
}

// One weight of 1 and a gradient that is always the same, SGD without momentum.
struct Constant {
  Tensors value, grad;
  std::unique_ptr<Optimizer> optimizer;

  Constant(const std::string& weights, std::int64_t size, float start, float gradient, double lr, double decay = 0)
      : value{{std::vector<float>(static_cast<std::size_t>(size), start)}},
        grad{{std::vector<float>(static_cast<std::size_t>(size), gradient)}} {
    OptimizerConfig config = config_of("sgd", {.weights = weights});
    config.lr = lr;
    config.momentum = 0;
    config.decay = DecayCoupling::Independent;
    config.weight_decay = decay;
    optimizer = make_optimizer(config, {{"w", value.list()[0], grad.list()[0], true}}, kSeed);
  }
  void steps(int count) {
    for (int i = 0; i < count; ++i) optimizer->step(1.0, 1.0);
  }
};

}  // namespace

TEST_CASE("kept weights, moments and compensations have the bits of the slow reference", "[store]") {
  for (const auto& [name, state] : cases()) {
    Model model;
    OptimizerConfig config = config_of("adamw", state);
    config.lr = 0.01;
    Oracle oracle{.config = config, .p = model.value};
    const auto optimizer = make_optimizer(config, model.parameters(), kSeed);
    oracle.start();
    INFO(name);
    CHECK(differences(model.value, oracle.p) == 0);
    for (std::uint32_t update = 1; update <= 6; ++update) {
      const Tensors fresh = random_tensors(kShape, 30u + update, 0.1f);
      for_each_element(fresh, [&](std::size_t t, std::size_t i) { model.grad.data[t][i] = fresh.data[t][i]; });
      optimizer->step(0.5, 1.0);
      oracle.step(fresh, 0.5, update);
      INFO("update " << update);
      REQUIRE(differences(model.value, oracle.p) == 0);
      REQUIRE(differences(state_of(*optimizer, "m."), oracle.m) == 0);
      REQUIRE(differences(state_of(*optimizer, "v."), oracle.v) == 0);
      if (state.weights == "bf16-kahan") REQUIRE(differences(state_of(*optimizer, "k."), oracle.k) == 0);
    }
  }
}

TEST_CASE("unscaled kept values are on their grid from the start and after every update", "[store]") {
  const std::string kind = GENERATE("adamw", "lion", "sgd");
  const std::string format = GENERATE("bf16", "fp16", "e5m2", "e4m3"), suffix = GENERATE("", "-sr", "-kahan", "-rup");
  Model model;
  StateConfig state{.weights = format + suffix, .state_scaling = "none"};
  state.moment1 = state.moment2 = suffix == "-kahan" ? format : state.weights;
  const auto optimizer = make_optimizer(config_of(kind, state), model.parameters(), kSeed);
  const FloatFormat grid = parse_float_format(format);
  const auto off_grid = [&](const Tensors& x) {
    std::size_t count = 0;
    for_each_element(x, [&](std::size_t t, std::size_t i) {
      count += reference::round(grid, Rounding::NearestEven, Overflow::Native, x.data[t][i]) != x.data[t][i];
    });
    return count;
  };
  CHECK(off_grid(model.value) == 0);
  for (int step = 0; step < 3; ++step) {
    optimizer->step(1.0, 1.0);
    CHECK(off_grid(model.value) == 0);
    for (const auto& [name, span] : optimizer->state())
      CHECK(off_grid(Tensors{{std::vector<float>(span.data, span.data + span.size)}}) == 0);
  }
}

TEST_CASE("a bf16 weight of 1 with a gradient of 0.01 never moves; with Kahan it arrives", "[store]") {
  Constant nearest("bf16", 1, 1.0f, 0.01f, 0.1), kahan("bf16-kahan", 1, 1.0f, 0.01f, 0.1);
  nearest.steps(100);
  kahan.steps(100);
  CHECK(nearest.value.data[0][0] == 1.0f);  // 0.001 is less than half of 2^-8
  const float k = state_of(*kahan.optimizer, "k.").data[0][0];
  // Weight and compensation together lose at most half an ulp of the compensation a step: it stays below 2^-8, so
  // 100 * 2^-17 in the sum and 100 more in the difference.
  CHECK(std::abs(kahan.value.data[0][0] + k - 0.9f) < 200 * 0x1p-17f);
  CHECK(std::abs(kahan.value.data[0][0] - 0.9f) < 0x1p-8f);
}

TEST_CASE("a decay below half an ulp is lost to nearest rounding, and not to Kahan", "[store]") {
  Constant nearest("bf16", 1, 1.0f, 0.0f, 0.1, 1e-4), kahan("bf16-kahan", 1, 1.0f, 0.0f, 0.1, 1e-4);
  nearest.steps(1000);
  kahan.steps(1000);
  CHECK(nearest.value.data[0][0] == 1.0f);
  // exp(-0.1) within the weight's ulp and the drift of 1000 compensations of size 2^-8 by half their ulp.
  CHECK(std::abs(kahan.value.data[0][0] - std::exp(-0.1f)) < 0x1p-8f + 1000 * 0x1p-17f);
}

TEST_CASE("stochastic updates are unbiased and independent from update to update", "[store]") {
  // Every update asks for 0.3 of bf16's ulp above 1. After 20 of them the count of ulps is binomial (20, 0.3).
  constexpr int kElements = 65536, kSteps = 20;
  constexpr double kUlp = 0x1p-7, kP = 0.3;
  Constant run("bf16-sr", kElements, 1.0f, static_cast<float>(-kP * kUlp), 1.0);
  run.steps(kSteps);
  double mean = 0, square = 0;
  for (const float x : run.value.data[0]) {
    const double ulps = (static_cast<double>(x) - 1.0) / kUlp;
    mean += ulps / kElements;
    square += ulps * ulps / kElements;
  }
  const double variance = kSteps * kP * (1 - kP);
  CHECK(std::abs(mean - kSteps * kP) < 5 * std::sqrt(variance / kElements));
  // The sample variance of n nearly normal numbers has a deviation of variance sqrt(2 / n).
  CHECK(std::abs(square - mean * mean - variance) < 5 * variance * std::sqrt(2.0 / kElements));
}

TEST_CASE("streams differ between seeds, parameters, operands and updates", "[store]") {
  // Two parameters of equal values and gradients, as long as no two of them share random words.
  const auto run = [](std::uint64_t seed, const StateConfig& state) {
    Tensors value{{std::vector<float>(4096, 1.0f), std::vector<float>(4096, 1.0f)}};
    Tensors grad{{std::vector<float>(4096, 0.3f), std::vector<float>(4096, 0.3f)}};
    OptimizerConfig config = config_of("adamw", state);
    const auto optimizer = make_optimizer(
        config, {{"a", value.list()[0], grad.list()[0], true}, {"b", value.list()[1], grad.list()[1], true}}, seed);
    optimizer->step(1.0, 1.0);
    const Tensors m = state_of(*optimizer, "m."), v = state_of(*optimizer, "v.");
    return std::vector<std::vector<float>>{value.data[0], value.data[1], m.data[0], m.data[1], v.data[0]};
  };
  const StateConfig state{.weights = "bf16-sr", .moment1 = "bf16-sr", .moment2 = "bf16-sr"};
  const auto one = run(1, state), again = run(1, state), other = run(2, state);
  CHECK(one == again);
  CHECK(one[0] != one[1]);
  CHECK(one[2] != one[3]);
  for (std::size_t i = 0; i < one.size(); ++i) CHECK(one[i] != other[i]);
  // Which elements went up: a set of its own for every operand.
  const auto ups = [](const std::vector<float>& x) {
    std::vector<bool> up;
    for (const float value : x) up.push_back(value == *std::max_element(x.begin(), x.end()));
    return up;
  };
  CHECK(ups(one[0]) != ups(one[2]));
  CHECK(ups(one[2]) != ups(one[4]));
}

TEST_CASE("the reported norms are those of the kept weights", "[store]") {
  const std::string kind = GENERATE("adamw", "lion", "sgd");
  for (const auto& [name, state] : cases()) {
    Model model;
    const auto optimizer = make_optimizer(config_of(kind, state), model.parameters(), kSeed);
    for (int step = 0; step < 2; ++step) {
      const Tensors before = model.value;
      const UpdateStats stats = optimizer->step(1.0, 1.0);
      const long double weight = squared_distance(before), change = squared_distance(model.value, &before);
      INFO(name);
      // Double sums of 3e3 terms.
      CHECK(stats.param_norm == Approx(static_cast<double>(std::sqrt(weight))).epsilon(1e-12));
      CHECK(stats.update_ratio == Approx(static_cast<double>(std::sqrt(change / weight))).epsilon(1e-12));
    }
  }
  // What nearest rounding swallows is no update.
  Constant lost("bf16", 100, 1.0f, 0.01f, 0.1);
  CHECK(lost.optimizer->step(1.0, 1.0).update_ratio == 0.0);
}

TEST_CASE("an optimizer of kept state goes on from a saved one bit for bit", "[store]") {
  const std::string kind = GENERATE("adamw", "lion", "sgd");
  for (auto [name, state] : cases()) {
    state.gradients = "e4m3-sr";
    state.gradient_scaling = "ms-amp";
    const OptimizerConfig config = config_of(kind, state);
    Model straight, resumed;
    const auto optimizer = make_optimizer(config, straight.parameters(), kSeed);
    for (int step = 0; step < 3; ++step) optimizer->step(1.0, optimizer->unscale(8.0).norm);
    for (float& x : resumed.value.data[0]) x *= 0x1p20f;  // other scales than the saved ones
    const auto second = make_optimizer(config, resumed.parameters(), kSeed);
    for (std::size_t t = 0; t < 2; ++t) {
      std::copy(straight.value.data[t].begin(), straight.value.data[t].end(), resumed.value.data[t].begin());
    }
    const auto saved = optimizer->state(), target = second->state();
    REQUIRE(saved.size() == target.size());
    for (std::size_t s = 0; s < saved.size(); ++s) {
      REQUIRE(saved[s].first == target[s].first);
      REQUIRE(saved[s].second.size == target[s].second.size);
      std::copy_n(saved[s].second.data, saved[s].second.size, target[s].second.data);
    }
    second->set_updates(optimizer->updates());
    for (int step = 0; step < 3; ++step) {
      const Tensors fresh = random_tensors(kShape, 20u + static_cast<std::uint32_t>(step));
      for_each_element(fresh, [&](std::size_t t, std::size_t i) {
        straight.grad.data[t][i] = resumed.grad.data[t][i] = fresh.data[t][i];
      });
      // From an infinity on, MS-AMP keeps the previous scale: the saved one.
      if (step == 0) straight.grad.data[0][5] = resumed.grad.data[0][5] = std::numeric_limits<float>::infinity();
      optimizer->step(0.5, optimizer->unscale(8.0).norm);
      second->step(0.5, second->unscale(8.0).norm);
    }
    INFO(name);
    CHECK(differences(straight.value, resumed.value) == 0);
    CHECK(differences(state_of(*optimizer, ""), state_of(*second, "")) == 0);
  }
}

TEST_CASE("state is named after what is kept", "[store]") {
  Model model;
  const StateConfig state{.weights = "fp16", .weight_scaling = "ms-amp", .moment1 = "e4m3", .moment2 = "bf16"};
  std::map<std::string, std::int64_t> sizes;
  const auto optimizer = make_optimizer(config_of("adamw", state), model.parameters());
  for (const auto& [name, span] : optimizer->state()) sizes[name] = span.size;
  CHECK(sizes == std::map<std::string, std::int64_t>{{"m.matrix", 3000},
                                                     {"m.bias", 50},
                                                     {"m.none", 0},
                                                     {"v.matrix", 3000},
                                                     {"v.bias", 50},
                                                     {"v.none", 0},
                                                     {"scale.p.matrix", 1},
                                                     {"scale.p.bias", 1},
                                                     {"scale.p.none", 0},
                                                     {"scale.m.matrix", 1},
                                                     {"scale.m.bias", 1},
                                                     {"scale.m.none", 0}});
}

TEST_CASE("gradients are rounded as backward leaves them, before they are divided by the loss scale", "[store]") {
  const bool stochastic = GENERATE(false, true);
  Model model;
  const Tensors before = model.grad;
  const StateConfig state{.gradients = stochastic ? "bf16-sr" : "bf16"};
  const auto optimizer = make_optimizer(config_of("adamw", state), model.parameters(), kSeed);
  const GradStats stats = optimizer->unscale(1000.0);
  CHECK(stats.finite);
  std::size_t wrong = 0;
  for_each_element(before, [&](std::size_t t, std::size_t i) {
    const RandomKey key{kSeed, 1, 0x80000000u + static_cast<std::uint32_t>(t), 3};
    const float kept =
        reference::round(parse_float_format("bf16"), stochastic ? Rounding::Stochastic : Rounding::NearestEven,
                         Overflow::Native, before.data[t][i], random_word(key, i));
    wrong += model.grad.data[t][i] != static_cast<float>(1.0 / 1000.0) * kept;
  });
  CHECK(wrong == 0);
  CHECK(stats.norm == Approx(static_cast<double>(std::sqrt(squared_distance(model.grad)))).epsilon(1e-12));
}

TEST_CASE("a gradient beyond its format is seen by the loss scaler, and an infinite one under any scaling", "[store]") {
  Model model;
  model.grad.data[0][7] = 70000.0f;
  CHECK_FALSE(make_optimizer(config_of("sgd", {.gradients = "fp16"}), model.parameters())->unscale(1.0).finite);
  for (const char* scaling : {"none", "current", "ms-amp", "ms-amp:block=16"}) {
    model.grad.data[0][7] = std::numeric_limits<float>::infinity();
    const StateConfig state{.gradients = "e4m3", .gradient_scaling = scaling};
    CHECK_FALSE(make_optimizer(config_of("sgd", state), model.parameters())->unscale(1.0).finite);
  }
}

TEST_CASE("storage left at fp32 gives the bits of no storage, named or not", "[store]") {
  const std::string kind = GENERATE("adamw", "lion", "sgd");
  Model plain, moved;
  const auto one = make_optimizer(config_of(kind), plain.parameters(), 1);
  // e8m23 is fp32; a moment in a format of its own takes the other path through the update.
  const auto other = make_optimizer(config_of(kind, {.weights = "fp32", .moment1 = "e8m23"}), moved.parameters(), 2);
  for (int step = 0; step < 3; ++step) {
    one->step(1.0, one->unscale(3.0).norm);
    other->step(1.0, other->unscale(3.0).norm);
  }
  CHECK(differences(plain.value, moved.value) == 0);
  CHECK(one->state().size() == other->state().size());
}
