// SPDX-License-Identifier: Apache-2.0
// Standard deviations of the initial weights, by init.scheme, times init.scale:
//   gpt        N(0, init.std); residual projections (attn.proj, mlp.down) init.std / sqrt(2 layers). Radford et al.
//              2019, as in nanoGPT's model.py.
//   tinyllama  N(0, sqrt(2 / (5 C))); residual projections 1 / (sqrt(C) layers). TinyLlama's lit_gpt/model.py.
#pragma once

#include <cmath>

#include "train/config/run_config.h"

namespace precipice {

struct InitialStd {
  double weight, residual;
};

inline InitialStd initial_std(const ModelConfig& model, const InitConfig& init) {
  const auto width = static_cast<double>(model.width), layers = static_cast<double>(model.layers);
  if (init.scheme == InitScheme::TinyLlama)
    return {init.scale * std::sqrt(2.0 / (5.0 * width)), init.scale / (std::sqrt(width) * layers)};
  return {init.scale * init.std, init.scale * init.std / std::sqrt(2.0 * layers)};
}

}  // namespace precipice
