// SPDX-License-Identifier: Apache-2.0
// Our optimizers against torch::optim::AdamW, torch::optim::SGD and clip_grad_norm_, over 100 steps.
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/nn/utils/clip_grad.h>
#include <torch/optim/adamw.h>
#include <torch/optim/sgd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>

#include "optim/optimizer.h"
#include "tests/optim/tensors.h"
#include "tests/support/catch.h"

using namespace precipice;

namespace {

constexpr int kSteps = 100;
const std::vector<std::int64_t> kShapes = {4096, 5001, 1, 300, 17};  // the first two decay
constexpr std::size_t kDecayed = 2;

// Both sides do the same operations in fp32, but torch fuses some multiply-adds, so that a weight (below 4 here) may be
// rounded differently once a step: by half an ulp, 2^-23. The differences have no common sign, so 100 of them add up to
// about 10, 1.2e-6. Twice that is allowed; seen are 2e-7 to 8e-7.
constexpr double kTolerance = 2 * 10 * 0x1p-23;

// The pull of a quadratic bowl plus noise: depends on the weights, so that differences are fed back, and sometimes
// tiny.
void fill_gradient(Tensors& grad, const Tensors& value, int step) {
  const Tensors noise = random_tensors(kShapes, 1000u + static_cast<std::uint32_t>(step), step % 7 == 0 ? 1e-4f : 1.0f);
  for_each_element(value, [&](std::size_t t, std::size_t i) {
    const float pull = 0.3f * (value.data[t][i] - (i % 2 ? 1.5f : -0.5f));
    grad.data[t][i] = noise.data[t][i] + (step % 7 == 0 ? 1e-4f * pull : pull);
  });
}

struct TorchSide {
  std::vector<at::Tensor> decayed, undecayed, all;

  explicit TorchSide(const Tensors& value) {
    for (std::size_t t = 0; t < value.data.size(); ++t) {
      at::Tensor tensor = at::empty({static_cast<std::int64_t>(value.data[t].size())}, at::kFloat);
      std::memcpy(tensor.data_ptr(), value.data[t].data(), value.data[t].size() * sizeof(float));
      tensor.mutable_grad() = at::empty_like(tensor);
      (t < kDecayed ? decayed : undecayed).push_back(tensor);
      all.push_back(tensor);
    }
  }

  Tensors copy() const {
    Tensors out;
    for (const at::Tensor& tensor : all) {
      const float* data = tensor.const_data_ptr<float>();
      out.data.emplace_back(data, data + tensor.numel());
    }
    return out;
  }
};

double schedule(int step) {
  return step < 10 ? (step + 1) / 11.0 : 1.0 - 0.009 * (step - 10);
}

using MakeTorch =
    std::function<std::unique_ptr<torch::optim::Optimizer>(std::vector<torch::optim::OptimizerParamGroup>)>;

// The largest |ours - torch's| weight after kSteps updates; each side computes gradients from its own weights.
double largest_difference(const OptimizerConfig& config, const MakeTorch& make_torch) {
  at::set_num_threads(1);
  Tensors value = random_tensors(kShapes, 1, 2.0f), grad = zero_tensors(kShapes);
  TorchSide reference(value);
  std::vector<Parameter> parameters;
  for (std::size_t t = 0; t < kShapes.size(); ++t) {
    parameters.push_back({std::to_string(t), value.list()[t], grad.list()[t], t < kDecayed});
  }
  const auto ours = make_optimizer(config, parameters);
  const auto theirs = make_torch(
      {torch::optim::OptimizerParamGroup(reference.decayed), torch::optim::OptimizerParamGroup(reference.undecayed)});
  for (int step = 0; step < kSteps; ++step) {
    const Tensors torch_value = reference.copy();
    fill_gradient(grad, torch_value, step);
    for (std::size_t t = 0; t < kShapes.size(); ++t) {
      std::memcpy(reference.all[t].grad().data_ptr(), grad.data[t].data(), grad.data[t].size() * sizeof(float));
    }
    fill_gradient(grad, value, step);

    ours->step(schedule(step), ours->unscale(1.0).norm);
    torch::nn::utils::clip_grad_norm_(reference.all, config.clip_norm);
    for (auto& group : theirs->param_groups()) group.options().set_lr(schedule(step) * config.lr);
    theirs->step();
  }
  const Tensors expected = reference.copy();
  double worst = 0;
  for_each_element(value, [&](std::size_t t, std::size_t i) {
    worst = std::max(worst, std::abs(static_cast<double>(value.data[t][i]) - static_cast<double>(expected.data[t][i])));
  });
  return worst;
}

template <class Options>
std::vector<torch::optim::OptimizerParamGroup> with_options(std::vector<torch::optim::OptimizerParamGroup> groups,
                                                            const Options& options) {
  for (std::size_t g = 0; g < groups.size(); ++g) {
    auto own = std::make_unique<Options>(options);
    if (g == 1) own->weight_decay(0);
    groups[g].set_options(std::move(own));
  }
  return groups;
}

}  // namespace

TEST_CASE("AdamW agrees with torch::optim::AdamW and clip_grad_norm_ over 100 steps", "[optimizer]") {
  OptimizerConfig config;
  config.lr = 1e-2;
  config.beta2 = GENERATE(0.95, 0.999);
  config.weight_decay = GENERATE(0.0, 0.1);
  config.clip_norm = 50;  // binds in the steps with full gradients only
  const double difference = largest_difference(config, [&](std::vector<torch::optim::OptimizerParamGroup> groups) {
    torch::optim::AdamWOptions options(config.lr);
    options.betas({config.beta1, config.beta2}).eps(config.eps).weight_decay(config.weight_decay);
    return std::make_unique<torch::optim::AdamW>(with_options(std::move(groups), options), options);
  });
  INFO("largest difference " << difference << " of " << kTolerance);
  CHECK(difference <= kTolerance);
}

TEST_CASE("SGD with coupled decay agrees with torch::optim::SGD over 100 steps", "[optimizer]") {
  OptimizerConfig config;
  config.kind = "sgd";
  config.lr = 1e-2;
  config.momentum = GENERATE(0.0, 0.9);
  config.nesterov = config.momentum != 0 && GENERATE(false, true);
  config.weight_decay = GENERATE(0.0, 0.1);
  config.clip_norm = 50;
  const double difference = largest_difference(config, [&](std::vector<torch::optim::OptimizerParamGroup> groups) {
    torch::optim::SGDOptions options(config.lr);
    options.momentum(config.momentum).nesterov(config.nesterov).weight_decay(config.weight_decay);
    return std::make_unique<torch::optim::SGD>(with_options(std::move(groups), options), options);
  });
  INFO("largest difference " << difference << " of " << kTolerance);
  CHECK(difference <= kTolerance);
}
