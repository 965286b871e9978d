// SPDX-License-Identifier: Apache-2.0
// Llama (Touvron et al. 2023, arXiv 2302.13971): rotary positions, pre-RMSNorm blocks, grouped-query attention, an
// MLP with SwiGLU,
//   down(silu(gate(x)) * up(x))    (Shazeer 2020, arXiv 2002.05202)
// of 8/3 the width, no biases. Parameter names and shapes as Hugging Face's LlamaForCausalLM, whose rotary pairing
// rope.h shares; with model.qk_norm the gains are self_attn.q_norm.weight and k_norm.weight, as in its Qwen3. Queries,
// keys and values are one product (as in TinyLlama's lit_gpt) of three parameters; gate and up are two, each its own
// site.
#include <ATen/TensorOperators.h>
#include <ATen/ops/silu.h>

#include "train/model/architectures.h"
#include "train/model/initial_std.h"
#include "train/model/swiglu.h"

namespace precipice {
namespace {

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

Llama::Llama(const ModelConfig& config, const InitConfig& init, std::int64_t vocabulary, PrecisionSchedule schedule)
    : Model(config, vocabulary, std::move(schedule)),
      rope_(make_rope_table(config.context, config.head_size(), config.rope_theta, elements().rope_table)) {
  add_constant(rope_.cosines);
  add_constant(rope_.sines);
  const InitialStd std = initial_std(config, init);
  add_embedding("model.embed_tokens.weight", std.weight);
  for (std::int64_t layer = 0; layer < config.layers; ++layer) {
    const std::string prefix = "model.layers." + std::to_string(layer) + ".";
    Block block;
    add_stream_norm(prefix + "input_layernorm");
    block.q = add_linear(prefix, "self_attn.q_proj", std.weight);
    block.k = add_linear(prefix, "self_attn.k_proj", std.weight);
    block.v = add_linear(prefix, "self_attn.v_proj", std.weight);
    block.q_norm = add_qk_norm(prefix + "self_attn.q_norm");
    block.k_norm = add_qk_norm(prefix + "self_attn.k_norm");
    block.o = add_linear(prefix, "self_attn.o_proj", std.residual);
    add_stream_norm(prefix + "post_attention_layernorm");
    block.gate = add_linear(prefix, "mlp.gate_proj", std.weight);
    block.up = add_linear(prefix, "mlp.up_proj", std.weight);
    block.down = add_linear(prefix, "mlp.down_proj", std.residual);
    blocks_.push_back(block);
  }
  add_final_norm("model.norm");
  add_head(std.weight);
  initialise(init);
}

at::Tensor Llama::attend(const at::Tensor& x, std::int64_t layer, const ForwardContext& context) const {
  const Block& block = blocks_[static_cast<std::size_t>(layer)];
  const at::Tensor qkv =
      joined_linear(x, {block.q.weight, block.k.weight, block.v.weight}, SiteKind::AttnQkv, layer, context);
  const at::Tensor mixed = attention(qkv, {block.q_norm, block.k_norm, &rope_}, layer, context);
  return linear(mixed, block.o, SiteKind::AttnProj, layer, context);
}

at::Tensor Llama::mlp(const at::Tensor& x, std::int64_t layer, const ForwardContext& context) const {
  const Block& block = blocks_[static_cast<std::size_t>(layer)];
  const ElementQuantizer& vector = elements().vector;
  const at::Tensor gate = round_gradient(linear(x, block.gate, SiteKind::MlpGate, layer, context), vector);
  const at::Tensor up = round_gradient(linear(x, block.up, SiteKind::MlpUp, layer, context), vector);
  if (context.plain) return linear(at::silu(gate) * up, block.down, SiteKind::MlpDown, layer, context);
  return swiglu_down(gate, up, block.down.weight, site(SiteKind::MlpDown, layer, context), vector);
}

std::pair<at::Tensor, at::Tensor> Llama::query_and_key_weights(std::int64_t layer) const {
  const Block& block = blocks_[static_cast<std::size_t>(layer)];
  return {block.q.weight, block.k.weight};
}

}  // namespace

std::unique_ptr<Model> make_llama(const ModelConfig& config, const InitConfig& init, std::int64_t vocabulary,
                                  PrecisionSchedule schedule) {
  return std::make_unique<Llama>(config, init, vocabulary, std::move(schedule));
}

}  // namespace precipice
