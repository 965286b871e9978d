// SPDX-License-Identifier: Apache-2.0
// Adam, Kingma & Ba arXiv 1412.6980, with decay beside the step, Loshchilov & Hutter arXiv 1711.05101, in the order of
// operations of torch.optim.AdamW (single tensor):
//   m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2
//   p -= lr / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
#pragma once

#include "optim/rules/update_rule.h"

namespace precipice {

struct AdamW {
  static constexpr const char* kName = "adamw";
  static constexpr const char* kHelp = "Adam with decoupled weight decay, arXiv 1711.05101";
  static constexpr const char* kMoments[] = {"m", "v"};
  static constexpr Decay kDecay = Decay::BesideStep;

  float beta1, rest1;  // rest = 1 - beta, rounded from double: 1 - 0.999f is off by 1e-5
  float beta2, rest2;
  float correction2_root, eps;
  float step_size;

  AdamW(const OptimizerConfig& config, const UpdateArgs& update)
      : beta1(static_cast<float>(config.beta1)),
        rest1(static_cast<float>(1 - config.beta1)),
        beta2(static_cast<float>(config.beta2)),
        rest2(static_cast<float>(1 - config.beta2)),
        correction2_root(static_cast<float>(std::sqrt(correction(config.beta2, update.step)))),
        eps(static_cast<float>(config.eps)),
        step_size(static_cast<float>(update.lr / correction(config.beta1, update.step))) {}

  PRECIPICE_HD float step(float g, float* moments) const {
    float& m = moments[0];
    float& v = moments[1];
    m = beta1 * m + rest1 * g;
    v = beta2 * v + rest2 * g * g;
    const float denominator = std::sqrt(v) / correction2_root + eps;
    return step_size * m / denominator;
  }

  // Cohen et al. arXiv 2207.14484: P = (1 - beta1^t) (sqrt(v / (1 - beta2^t)) + eps), threshold (2 + 2 beta1) /
  // (1 - beta1).
  static std::optional<Preconditioning> preconditioning(const OptimizerConfig& config, std::int64_t updates) {
    if (updates == 0) return {};
    return Preconditioning{.threshold = (2 + 2 * config.beta1) / (1 - config.beta1),
                           .second_moment = true,
                           .correction = correction(config.beta2, updates),
                           .eps = config.eps,
                           .factor = correction(config.beta1, updates)};
  }

 private:
  static double correction(double beta, std::int64_t step) { return 1 - std::pow(beta, static_cast<double>(step)); }
};

}  // namespace precipice
