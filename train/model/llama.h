// SPDX-License-Identifier: Apache-2.0
// Llama (Touvron et al. 2023, arXiv 2302.13971): rotary positions, pre-RMSNorm blocks, grouped-query attention, an
// MLP with SwiGLU,
//   down(silu(gate(x)) * up(x))    (Shazeer 2020, arXiv 2002.05202)
// of 8/3 the width, no biases. Parameter names and shapes as Hugging Face's LlamaForCausalLM, whose rotary pairing
// rope.h shares; with model.qk_norm the gains are self_attn.q_norm.weight and k_norm.weight, as in its Qwen3. Queries,
// keys and values are one product (as in TinyLlama's lit_gpt) of three parameters; gate and up are two, each its own
// site.
#pragma once

#include "train/model/model.h"

namespace precipice {

class Llama : public Model {
 public:
  Llama(const ModelConfig& config, const InitConfig& init, std::int64_t vocabulary, PrecisionSchedule schedule);
  std::pair<at::Tensor, at::Tensor> query_and_key_weights(std::int64_t layer) const override;

 private:
  struct Block {
    Norm q_norm, k_norm;
    Linear q, k, v, o, gate, up, down;
  };

  at::Tensor attend(const at::Tensor& x, std::int64_t layer, const ForwardContext& context) const override;
  at::Tensor mlp(const at::Tensor& x, std::int64_t layer, const ForwardContext& context) const override;

  RopeTable rope_;
  std::vector<Block> blocks_;
};

}  // namespace precipice
