// SPDX-License-Identifier: Apache-2.0
// Update rules beside their formulas in double.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "optim/multi_tensor/multi_tensor_update.h"
#include "tests/optim/tensors.h"
#include "tests/support/catch.h"

namespace precipice {

// A handful of fp32 roundings per step (2^-24 = 6e-8 each) on weights and moments of size about 1, over 5 steps.
inline constexpr double kFewUlp = 2e-6;

// Weights and moments of a rule.
template <class Rule>
struct Weights {
  Tensors p;
  std::vector<Tensors> moments;

  explicit Weights(Tensors weights) : p(std::move(weights)) {
    for (int i = 0; i < kMomentsOf<Rule>; ++i) {
      moments.push_back(p);
      for (auto& tensor : moments.back().data) std::fill(tensor.begin(), tensor.end(), 0.0f);
    }
  }
  UpdateNorms update(Tensors& g, const OptimizerConfig& config, const UpdateArgs& args) {
    TensorLists lists{g.list(), p.list()};
    for (Tensors& m : moments) lists.push_back(m.list());
    return multi_tensor_update<Rule>(config, args, lists);
  }
};

// Largest difference from the oracle of a weight, and of the first moment, over five updates with fresh gradients. An
// Oracle{p} has step(g, config, args), p and m.
template <class Rule, class Oracle>
double largest_error(const OptimizerConfig& config, UpdateArgs args) {
  Weights<Rule> weights(random_tensors(kSizes, 1));
  std::vector<std::vector<Oracle>> oracles;
  for (const auto& tensor : weights.p.data) {
    auto& row = oracles.emplace_back();
    for (const float x : tensor) row.push_back(Oracle{x});
  }
  double worst = 0;
  for (args.step = 1; args.step <= 5; ++args.step) {
    Tensors g = random_tensors(kSizes, 100u + static_cast<std::uint32_t>(args.step), 2.0f);
    const Tensors before = g;
    weights.update(g, config, args);
    CHECK(g.data == before.data);
    for_each_element(weights.p, [&](std::size_t t, std::size_t i) {
      Oracle& oracle = oracles[t][i];
      oracle.step(g.data[t][i], config, args);
      worst = std::max(worst, std::abs(oracle.p - static_cast<double>(weights.p.data[t][i])));
      worst = std::max(worst, std::abs(oracle.m - static_cast<double>(weights.moments[0].data[t][i])));
    });
  }
  return worst;
}

}  // namespace precipice
