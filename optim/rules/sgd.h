// SPDX-License-Identifier: Apache-2.0
// SGD with heavy-ball or Nesterov momentum, in the order of operations of torch.optim.SGD, whose coupled weight decay
// is in the gradient before momentum:
//   b = momentum b + g (the first time b = g),  p -= lr b, with Nesterov p -= lr (g + momentum b)
#pragma once

#include "optim/rules/update_rule.h"

namespace precipice {

struct Sgd {
  static constexpr const char* kName = "sgd";
  static constexpr const char* kHelp = "momentum, heavy-ball or Nesterov's";
  static constexpr const char* kMoments[] = {"momentum"};
  static constexpr Decay kDecay = Decay::InGradient;

  float momentum, lr;
  std::uint32_t first, nesterov;  // 0 or 1; a bool in the loop stops the vectoriser

  Sgd(const OptimizerConfig& config, const UpdateArgs& update)
      : momentum(static_cast<float>(config.momentum)),
        lr(static_cast<float>(update.lr)),
        first(update.step == 1),
        nesterov(config.nesterov) {}

  PRECIPICE_HD float step(float g, float* moments) const {
    float& b = moments[0];
    if (momentum != 0.0f) {
      b = first ? g : momentum * b + g;
      g = nesterov ? g + momentum * b : b;
    }
    return lr * g;
  }

  // Heavy ball: curvature times lr up to 2 + 2 momentum is stable.
  static std::optional<Preconditioning> preconditioning(const OptimizerConfig& config, std::int64_t) {
    return Preconditioning{.threshold = 2 + 2 * config.momentum};
  }
};

}  // namespace precipice
