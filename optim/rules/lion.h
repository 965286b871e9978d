// SPDX-License-Identifier: Apache-2.0
// Lion, Chen et al. arXiv 2302.06675, algorithm 2:
//   p -= lr sign(beta1 m + (1 - beta1) g),  m = beta2 m + (1 - beta2) g
// The paper's betas are 0.9 and 0.99 and its learning rates 3 to 10 times smaller than AdamW's, its decay larger by the
// same factor; the keys are shared with AdamW and keep AdamW's defaults.
#pragma once

#include "optim/rules/update_rule.h"

namespace precipice {

struct Lion {
  static constexpr const char* kName = "lion";
  static constexpr const char* kHelp = "the sign of a momentum, arXiv 2302.06675";
  static constexpr const char* kMoments[] = {"m"};
  static constexpr Decay kDecay = Decay::BesideStep;

  float beta1, rest1, beta2, rest2;  // as AdamW's
  float lr;

  Lion(const OptimizerConfig& config, const UpdateArgs& update)
      : beta1(static_cast<float>(config.beta1)),
        rest1(static_cast<float>(1 - config.beta1)),
        beta2(static_cast<float>(config.beta2)),
        rest2(static_cast<float>(1 - config.beta2)),
        lr(static_cast<float>(update.lr)) {}

  PRECIPICE_HD float step(float g, float* moments) const {
    float& m = moments[0];
    const float direction = beta1 * m + rest1 * g;
    m = beta2 * m + rest2 * g;
    // The sign of zero is zero and that of NaN is NaN.
    const float below = direction < 0.0f ? -1.0f : direction;
    return lr * (direction > 0.0f ? 1.0f : below);
  }

  // A sign has no preconditioner.
  static std::optional<Preconditioning> preconditioning(const OptimizerConfig&, std::int64_t) { return {}; }
};

}  // namespace precipice
