// SPDX-License-Identifier: Apache-2.0
// The GPT of nanoGPT: learned positions, pre-LayerNorm blocks (unless model.norm_placement says otherwise), causal attention, GELU MLP of four times the width, tied
// or untied head. Radford et al. 2019; parameter names, shapes and initialisation as nanoGPT's model.py. With
// model.qk_norm the gains are attn.q_norm.weight and attn.k_norm.weight, of one head's size and shared by the heads.
#include <ATen/ops/gelu.h>

#include "train/model/architectures.h"
#include "train/model/gelu.h"
#include "train/model/initial_std.h"

namespace precipice {
namespace {

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

Gpt::Gpt(const ModelConfig& config, const InitConfig& init, std::int64_t vocabulary, PrecisionSchedule schedule)
    : Model(config, vocabulary, std::move(schedule)) {
  const InitialStd std = initial_std(config, init);
  add_embedding("transformer.wte.weight", std.weight);
  position_embedding_ = add_parameter("transformer.wpe.weight", {config.context, config.width}, std.weight, 0);
  for (std::int64_t layer = 0; layer < config.layers; ++layer) {
    const std::string prefix = "transformer.h." + std::to_string(layer) + ".";
    Block block;
    add_stream_norm(prefix + "ln_1");
    block.qkv = add_linear(prefix, "attn.c_attn", std.weight);
    block.q_norm = add_qk_norm(prefix + "attn.q_norm");
    block.k_norm = add_qk_norm(prefix + "attn.k_norm");
    block.proj = add_linear(prefix, "attn.c_proj", std.residual);
    add_stream_norm(prefix + "ln_2");
    block.up = add_linear(prefix, "mlp.c_fc", std.weight);
    block.down = add_linear(prefix, "mlp.c_proj", std.residual);
    blocks_.push_back(block);
  }
  add_final_norm("transformer.ln_f");
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
  const at::Tensor hidden = context.plain ? at::gelu(up) : gelu(up, elements().vector);
  return linear(hidden, block.down, SiteKind::MlpDown, layer, context);
}

std::pair<at::Tensor, at::Tensor> Gpt::query_and_key_weights(std::int64_t layer) const {
  const at::Tensor& weight = blocks_[static_cast<std::size_t>(layer)].qkv.weight;
  return {weight.slice(0, 0, config_.width), weight.slice(0, config_.width, config_.width + config_.key_width())};
}

}  // namespace

std::unique_ptr<Model> make_gpt(const ModelConfig& config, const InitConfig& init, std::int64_t vocabulary,
                                PrecisionSchedule schedule) {
  return std::make_unique<Gpt>(config, init, vocabulary, std::move(schedule));
}

}  // namespace precipice
