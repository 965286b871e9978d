// SPDX-License-Identifier: Apache-2.0
// Models and tokens small enough for finite differences.
#pragma once

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <functional>
#include <memory>

#include "tests/support/catch.h"
#include "tests/support/tensors.h"
#include "train/model/architectures.h"
#include "train/model/model.h"
#include "train/recipes/recipes.h"

namespace precipice::test {

constexpr std::int64_t kVocabulary = 11;

inline std::unique_ptr<Model> tiny(const ModelConfig& config, const PrecisionConfig& precision, std::int64_t seed = 1) {
  InitConfig init;
  init.seed = seed;
  init.std = 0.3;  // larger than in training, so that every gradient stands well above fp32's noise
  return make_model(config, init, kVocabulary, make_policy(precision, config));
}

inline std::unique_ptr<Model> tiny(const ModelConfig& config, const std::string& recipe = "fp32",
                                   std::int64_t seed = 1) {
  PrecisionConfig precision;
  precision.recipe = recipe;
  return tiny(config, precision, seed);
}

// Two layers of width 16 with four heads, two key heads.
inline ModelConfig tiny_llama_config() {
  ModelConfig config;
  config.kind = &find_architecture("llama");
  config.layers = 2;
  config.width = 16;
  config.heads = 4;
  config.kv_heads = 2;
  config.hidden = 24;
  config.context = 6;
  return config;
}

inline at::Tensor random_tokens(std::int64_t rows, std::int64_t length, std::uint64_t seed) {
  at::Tensor tokens = at::empty({rows, length}, at::TensorOptions(at::kLong));
  for (std::int64_t i = 0; i < tokens.numel(); ++i)
    tokens.mutable_data_ptr<std::int64_t>()[i] =
        random_word({seed, 1, 1, 1}, static_cast<std::uint64_t>(i)) % kVocabulary;
  return tokens;
}

// Every parameter's gradient of `objective` against central differences along itself.
inline void check_gradients(const Model& model, const std::function<at::Tensor()>& objective) {
  const auto value_of = [&] {
    const at::NoGradGuard guard;
    return objective().item<double>();
  };
  objective().backward();
  for (const auto& parameter : model.parameters()) {
    const at::Tensor gradient = parameter.value.grad().clone();
    const double norm = gradient.norm().item<double>();
    INFO(parameter.name << " norm " << norm);
    REQUIRE(norm > 1e-4);
    const at::Tensor before = parameter.value.detach().clone();
    at::Tensor value = parameter.value.detach();
    const auto slope = [&](double h) {
      const at::Tensor step = gradient.mul(h / norm);
      value.copy_(before).add_(step);
      const double up = value_of();
      value.copy_(before).sub_(step);
      const double down = value_of();
      value.copy_(before);
      return (up - down) / (2 * h);
    };
    // Along its own unit direction the slope is |g|. Richardson's combination of steps h and h / 2 leaves an error of
    // order h^4 (below 1e-4 of the slope here) and the noise of fp32 losses near 2.4: 3e-7 / 0.01 * 4 / 3 = 4e-5. Both
    // may be there at once.
    const double richardson = (4 * slope(0.01) - slope(0.02)) / 3;
    INFO("differences " << richardson);
    CHECK(richardson == Approx(norm).epsilon(0).margin(4e-5 + 1e-4 * norm));
  }
}

}  // namespace precipice::test
