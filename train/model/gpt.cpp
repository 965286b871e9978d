// SPDX-License-Identifier: Apache-2.0
#include "train/model/gpt.h"

#include "train/model/gelu.h"
#include "train/model/initial_std.h"

namespace precipice {

Gpt::Gpt(const ModelConfig& config, const InitConfig& init, std::int64_t vocabulary, PrecisionSchedule schedule)
    : Model(config, vocabulary, std::move(schedule)) {
  const std::int64_t width = config.width, qkv = width + 2 * config.key_heads() * config.head_size();
  const InitialStd std = initial_std(config, init);
  add_embedding("transformer.wte.weight", std.weight);
  position_embedding_ = add_parameter("transformer.wpe.weight", {config.context, width}, std.weight, 0);
  for (std::int64_t layer = 0; layer < config.layers; ++layer) {
    const std::string prefix = "transformer.h." + std::to_string(layer) + ".";
    Block block;
    add_stream_norm(prefix + "ln_1", NormKind::Layer);
    block.qkv = add_linear(prefix + "attn.c_attn", width, qkv, std.weight);
    block.q_norm = add_qk_norm(prefix + "attn.q_norm");
    block.k_norm = add_qk_norm(prefix + "attn.k_norm");
    block.proj = add_linear(prefix + "attn.c_proj", width, width, std.residual);
    add_stream_norm(prefix + "ln_2", NormKind::Layer);
    block.up = add_linear(prefix + "mlp.c_fc", width, config.mlp_width(), std.weight);
    block.down = add_linear(prefix + "mlp.c_proj", config.mlp_width(), width, std.residual);
    blocks_.push_back(block);
  }
  add_stream_norm("transformer.ln_f", NormKind::Layer);
  add_head(std.weight);
  initialise(init);
}

at::Tensor Gpt::attend(const at::Tensor& x, std::int64_t layer, const ForwardContext& context) const {
  const Block& block = blocks_[static_cast<std::size_t>(layer)];
  const at::Tensor qkv = linear(x, block.qkv, SiteKind::AttnQkv, layer, context);
  return linear(attention(qkv, {block.q_norm, block.k_norm}, layer, context), block.proj, SiteKind::AttnProj, layer,
                context);
}

at::Tensor Gpt::mlp(const at::Tensor& x, std::int64_t layer, const ForwardContext& context) const {
  const Block& block = blocks_[static_cast<std::size_t>(layer)];
  const at::Tensor up = linear(x, block.up, SiteKind::MlpUp, layer, context);
  return linear(gelu(up, elements().vector), block.down, SiteKind::MlpDown, layer, context);
}

std::pair<at::Tensor, at::Tensor> Gpt::query_and_key_weights(std::int64_t layer) const {
  const at::Tensor& weight = blocks_[static_cast<std::size_t>(layer)].qkv.weight;
  const std::int64_t keys = config_.key_heads() * config_.head_size();
  return {weight.slice(0, 0, config_.width), weight.slice(0, config_.width, config_.width + keys)};
}

}  // namespace precipice
