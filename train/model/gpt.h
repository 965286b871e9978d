// SPDX-License-Identifier: Apache-2.0
// The GPT of nanoGPT: learned positions, pre-LayerNorm blocks, causal attention, GELU MLP of four times the width, tied
// or untied head. Radford et al. 2019; parameter names, shapes and initialisation as nanoGPT's model.py. With
// model.qk_norm the gains are attn.q_norm.weight and attn.k_norm.weight, of one head's size and shared by the heads.
#pragma once

#include "train/model/model.h"

namespace precipice {

class Gpt : public Model {
 public:
  Gpt(const ModelConfig& config, const InitConfig& init, std::int64_t vocabulary, PrecisionSchedule schedule);
  std::pair<at::Tensor, at::Tensor> query_and_key_weights(std::int64_t layer) const override;

 private:
  struct Block {
    Norm q_norm, k_norm;
    Linear qkv, proj, up, down;
  };

  at::Tensor attend(const at::Tensor& x, std::int64_t layer, const ForwardContext& context) const override;
  at::Tensor mlp(const at::Tensor& x, std::int64_t layer, const ForwardContext& context) const override;

  std::vector<Block> blocks_;
};

}  // namespace precipice
