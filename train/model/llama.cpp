// SPDX-License-Identifier: Apache-2.0
#include "train/model/llama.h"

#include <ATen/ops/cat.h>

#include "precision/base/check.h"
#include "train/model/initial_std.h"
#include "train/model/swiglu.h"

namespace precipice {

Llama::Llama(const ModelConfig& config, const InitConfig& init, std::int64_t vocabulary, PrecisionSchedule schedule)
    : Model(config, vocabulary, std::move(schedule)),
      rope_(make_rope_table(config.context, config.head_size(), config.rope_theta, elements().rope_table)) {
  PRECIPICE_CHECK(!config.bias, "a Llama has no biases");
  const std::int64_t width = config.width, hidden = config.mlp_width(), keys = config.key_heads() * config.head_size();
  const InitialStd std = initial_std(config, init);
  add_embedding("model.embed_tokens.weight", std.weight);
  for (std::int64_t layer = 0; layer < config.layers; ++layer) {
    const std::string prefix = "model.layers." + std::to_string(layer) + ".";
    Block block;
    add_stream_norm(prefix + "input_layernorm", NormKind::Rms);
    block.q = add_linear(prefix + "self_attn.q_proj", width, width, std.weight);
    block.k = add_linear(prefix + "self_attn.k_proj", width, keys, std.weight);
    block.v = add_linear(prefix + "self_attn.v_proj", width, keys, std.weight);
    block.q_norm = add_qk_norm(prefix + "self_attn.q_norm");
    block.k_norm = add_qk_norm(prefix + "self_attn.k_norm");
    block.o = add_linear(prefix + "self_attn.o_proj", width, width, std.residual);
    add_stream_norm(prefix + "post_attention_layernorm", NormKind::Rms);
    block.gate = add_linear(prefix + "mlp.gate_proj", width, hidden, std.weight);
    block.up = add_linear(prefix + "mlp.up_proj", width, hidden, std.weight);
    block.down = add_linear(prefix + "mlp.down_proj", hidden, width, std.residual);
    blocks_.push_back(block);
  }
  add_stream_norm("model.norm", NormKind::Rms);
  add_head(std.weight);
  initialise(init);
}

at::Tensor Llama::attend(const at::Tensor& x, std::int64_t layer, const ForwardContext& context) const {
  const Block& block = blocks_[static_cast<std::size_t>(layer)];
  const Linear qkv{at::cat({block.q.weight, block.k.weight, block.v.weight}), {}};
  const at::Tensor mixed = attention(linear(x, qkv, SiteKind::AttnQkv, layer, context),
                                     {block.q_norm, block.k_norm, &rope_}, layer, context);
  return linear(mixed, block.o, SiteKind::AttnProj, layer, context);
}

at::Tensor Llama::mlp(const at::Tensor& x, std::int64_t layer, const ForwardContext& context) const {
  const Block& block = blocks_[static_cast<std::size_t>(layer)];
  const MatrixQuantizer& vector = elements().vector;
  const at::Tensor gate = round_gradient(linear(x, block.gate, SiteKind::MlpGate, layer, context), vector);
  const at::Tensor up = round_gradient(linear(x, block.up, SiteKind::MlpUp, layer, context), vector);
  return swiglu_down(gate, up, block.down.weight, site(SiteKind::MlpDown, layer, context), vector);
}

std::pair<at::Tensor, at::Tensor> Llama::query_and_key_weights(std::int64_t layer) const {
  const Block& block = blocks_[static_cast<std::size_t>(layer)];
  return {block.q.weight, block.k.weight};
}

}  // namespace precipice
