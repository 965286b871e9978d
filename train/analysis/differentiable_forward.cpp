// SPDX-License-Identifier: Apache-2.0
#include "train/analysis/differentiable_forward.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tanh.h>

#include <cmath>
#include <limits>

#include "precision/base/check.h"
#include "train/model/rope.h"

namespace precipice {
namespace {

class DifferentiableForward {
 public:
  DifferentiableForward(const ModelConfig& config, const std::map<std::string, at::Tensor>& parameters)
      : config_(config), parameters_(parameters), is_llama_(config.kind == "llama") {
    if (is_llama_) rope_ = make_rope_table(config.context, config.head_size(), config.rope_theta, MatrixQuantizer{});
  }

  at::Tensor logits(const at::Tensor& tokens) const {
    const std::string embedding = is_llama_ ? "model.embed_tokens.weight" : "transformer.wte.weight";
    at::Tensor x = at::embedding(get(embedding), tokens);
    if (!is_llama_) x = x + get("transformer.wpe.weight").slice(0, 0, tokens.size(1));
    for (std::int64_t layer = 0; layer < config_.layers; ++layer) x = is_llama_ ? llama(x, layer) : gpt(x, layer);
    x = norm(x, is_llama_ ? "model.norm" : "transformer.ln_f");
    const at::Tensor z = at::linear(x, get(config_.is_tied() ? embedding : "lm_head.weight"));
    const at::Tensor rows = z.reshape({-1, z.size(-1)});
    return config_.softcap == 0 ? rows : at::tanh(rows / config_.softcap) * config_.softcap;
  }

 private:
  at::Tensor gpt(const at::Tensor& x, std::int64_t layer) const {
    const std::string prefix = "transformer.h." + std::to_string(layer) + ".";
    const at::Tensor qkv = linear(norm(x, prefix + "ln_1"), prefix + "attn.c_attn");
    const at::Tensor y = x + linear(attention(qkv, prefix + "attn."), prefix + "attn.c_proj");
    const at::Tensor hidden = at::gelu(linear(norm(y, prefix + "ln_2"), prefix + "mlp.c_fc"));
    return y + linear(hidden, prefix + "mlp.c_proj");
  }

  at::Tensor llama(const at::Tensor& x, std::int64_t layer) const {
    const std::string prefix = "model.layers." + std::to_string(layer) + ".", attn = prefix + "self_attn.";
    const at::Tensor h = norm(x, prefix + "input_layernorm");
    const at::Tensor qkv =
        at::cat({linear(h, attn + "q_proj"), linear(h, attn + "k_proj"), linear(h, attn + "v_proj")}, -1);
    const at::Tensor y = x + linear(attention(qkv, attn), attn + "o_proj");
    const at::Tensor m = norm(y, prefix + "post_attention_layernorm");
    const at::Tensor hidden = at::silu(linear(m, prefix + "mlp.gate_proj")) * linear(m, prefix + "mlp.up_proj");
    return y + linear(hidden, prefix + "mlp.down_proj");
  }

  // qkv (B, T, (H + 2 G) D)  ->  (B, T, H D)
  at::Tensor attention(const at::Tensor& qkv, const std::string& prefix) const {
    const std::int64_t batch = qkv.size(0), length = qkv.size(1), depth = config_.head_size();
    const std::int64_t heads = config_.heads, groups = config_.key_heads();
    const auto split = qkv.split_with_sizes({heads * depth, groups * depth, groups * depth}, -1);
    const auto by_head = [&](const at::Tensor& x, std::int64_t count) {
      return x.reshape({batch, length, count, depth});
    };
    const auto positioned = [&](const at::Tensor& x, const std::string& name) {
      const at::Tensor normed = config_.qk_norm == "none" ? x : qk_norm(x, prefix + name);
      return (is_llama_ ? rotated(normed) : normed).transpose(1, 2);
    };
    // Every query head has its own copy of the key head that it shares.
    const auto shared = [&](const at::Tensor& x) {
      return x.unsqueeze(2)
          .expand({batch, groups, heads / groups, length, depth})
          .reshape({batch, heads, length, depth});
    };
    const at::Tensor q = positioned(by_head(split[0], heads), "q_norm");
    const at::Tensor k = shared(positioned(by_head(split[1], groups), "k_norm"));
    const at::Tensor v = shared(by_head(split[2], groups).transpose(1, 2));
    const at::Tensor future = at::ones({length, length}, at::TensorOptions(at::kBool)).triu(1);
    const at::Tensor scores = at::matmul(q, k.transpose(-2, -1)) / std::sqrt(static_cast<double>(depth));
    const at::Tensor p = at::softmax(scores.masked_fill(future, -std::numeric_limits<double>::infinity()), -1);
    return at::matmul(p, v).transpose(1, 2).reshape({batch, length, heads * depth});
  }

  at::Tensor rotated(const at::Tensor& x) const {
    const std::int64_t length = x.size(1), half = config_.head_size() / 2;
    const at::Tensor c = rope_.cosines.slice(0, 0, length).unsqueeze(1),
                     s = rope_.sines.slice(0, 0, length).unsqueeze(1);
    const at::Tensor a = x.slice(-1, 0, half), b = x.slice(-1, half);
    return at::cat({a * c - b * s, b * c + a * s}, -1);
  }

  at::Tensor norm(const at::Tensor& x, const std::string& name) const {
    return is_llama_ ? rms_norm(x, name) : layer_norm(x, name);
  }
  at::Tensor qk_norm(const at::Tensor& x, const std::string& name) const {
    return config_.qk_norm == "rmsnorm" ? rms_norm(x, name) : layer_norm(x, name);
  }
  at::Tensor rms_norm(const at::Tensor& x, const std::string& name) const {
    return x * at::rsqrt(x.square().mean(-1, true) + config_.norm_eps) * get(name + ".weight");
  }
  at::Tensor layer_norm(const at::Tensor& x, const std::string& name) const {
    const at::Tensor weight = get(name + ".weight");
    return at::layer_norm(x, weight.sizes(), weight, find(name + ".bias"), config_.norm_eps);
  }
  at::Tensor linear(const at::Tensor& x, const std::string& name) const {
    return at::linear(x, get(name + ".weight"), find(name + ".bias"));
  }

  std::optional<at::Tensor> find(const std::string& name) const {
    const auto found = parameters_.find(name);
    return found == parameters_.end() ? std::nullopt : std::optional(found->second);
  }
  const at::Tensor& get(const std::string& name) const {
    const auto found = parameters_.find(name);
    PRECIPICE_CHECK(found != parameters_.end(), "no parameter ", name);
    return found->second;
  }

  const ModelConfig& config_;
  const std::map<std::string, at::Tensor>& parameters_;
  bool is_llama_;
  RopeTable rope_;
};

}  // namespace

at::Tensor differentiable_logits(const ModelConfig& config, const std::map<std::string, at::Tensor>& parameters,
                                 const at::Tensor& tokens) {
  return DifferentiableForward(config, parameters).logits(tokens);
}

}  // namespace precipice
