// SPDX-License-Identifier: Apache-2.0
#include "train/model.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>

#include <cmath>

#include "precision/check.h"
#include "train/causal_softmax.h"

namespace precipice {

Gpt::Gpt(const ModelConfig& config, const InitConfig& init, std::int64_t vocabulary, PrecisionPolicy policy)
    : config_(config), vocabulary_(vocabulary), policy_(std::move(policy)) {
  const std::int64_t width = config.width;
  const double residual_std = init.std / std::sqrt(2.0 * static_cast<double>(config.layers));
  token_embedding_ = add_parameter("transformer.wte.weight", {vocabulary, width}, init.std, 0);
  position_embedding_ = add_parameter("transformer.wpe.weight", {config.context, width}, init.std, 0);
  for (std::int64_t layer = 0; layer < config.layers; ++layer) {
    const std::string prefix = "transformer.h." + std::to_string(layer) + ".";
    Block block;
    block.norm1 = add_norm(prefix + "ln_1");
    block.qkv = add_linear(prefix + "attn.c_attn", width, 3 * width, init.std);
    block.proj = add_linear(prefix + "attn.c_proj", width, width, residual_std);
    block.norm2 = add_norm(prefix + "ln_2");
    block.up = add_linear(prefix + "mlp.c_fc", width, 4 * width, init.std);
    block.down = add_linear(prefix + "mlp.c_proj", 4 * width, width, residual_std);
    blocks_.push_back(block);
  }
  final_norm_ = add_norm("transformer.ln_f");
  head_ = config.tied_head ? token_embedding_ : add_parameter("lm_head.weight", {vocabulary, width}, init.std, 0);
  initialise(init);
}

at::Tensor Gpt::add_parameter(const std::string& name, std::vector<std::int64_t> shape, double init_std,
                              double init_value) {
  at::Tensor value = at::empty(shape, at::TensorOptions(at::kFloat));
  value.set_requires_grad(true);
  parameters_.push_back({name, value, init_std, init_value});
  return value;
}

Gpt::Norm Gpt::add_norm(const std::string& name) {
  Norm norm;
  norm.weight = add_parameter(name + ".weight", {config_.width}, 0, 1);
  if (config_.bias) norm.bias = add_parameter(name + ".bias", {config_.width}, 0, 0);
  return norm;
}

Gpt::Linear Gpt::add_linear(const std::string& name, std::int64_t in, std::int64_t out, double init_std) {
  Linear linear;
  linear.weight = add_parameter(name + ".weight", {out, in}, init_std, 0);
  if (config_.bias) linear.bias = add_parameter(name + ".bias", {out}, 0, 0);
  return linear;
}

MatmulSite Gpt::site(SiteKind kind, std::int64_t layer, const ForwardContext& context) const {
  const std::size_t index = policy_.site_index(kind, layer);
  return {&policy_.at(index), index, context.rounding_seed, context.step, context.evaluation, context.observer};
}

at::Tensor Gpt::norm(const at::Tensor& x, const Norm& norm) const {
  return at::layer_norm(x, {config_.width}, norm.weight, norm.bias, 1e-5);
}

at::Tensor Gpt::attention(const at::Tensor& x, std::int64_t layer, const ForwardContext& context) const {
  const Block& block = blocks_[static_cast<std::size_t>(layer)];
  const std::int64_t batch = x.size(0), length = x.size(1), heads = config_.heads, depth = config_.width / heads;
  const at::Tensor qkv = quantized_linear(x, block.qkv.weight, block.qkv.bias, site(SiteKind::AttnQkv, layer, context));
  const auto parts = qkv.view({batch, length, 3, heads, depth}).permute({2, 0, 3, 1, 4}).unbind(0);  // 3 x (B, H, T, D)
  const at::Tensor scores =
      quantized_matmul(parts[0], parts[1], site(SiteKind::AttnQk, layer, context));  // (B, H, T, T)
  const at::Tensor weights = causal_softmax(scores, 1.0 / std::sqrt(static_cast<double>(depth)));
  const at::Tensor mixed =
      quantized_matmul(weights, parts[2].transpose(-2, -1), site(SiteKind::AttnPv, layer, context));  // (B, H, T, D)
  const at::Tensor joined = mixed.transpose(1, 2).reshape({batch, length, config_.width});
  return quantized_linear(joined, block.proj.weight, block.proj.bias, site(SiteKind::AttnProj, layer, context));
}

at::Tensor Gpt::mlp(const at::Tensor& x, std::int64_t layer, const ForwardContext& context) const {
  const Block& block = blocks_[static_cast<std::size_t>(layer)];
  const at::Tensor hidden = at::gelu(
      quantized_linear(x, block.up.weight, block.up.bias, site(SiteKind::MlpUp, layer, context)));  // (B, T, 4C)
  return quantized_linear(hidden, block.down.weight, block.down.bias, site(SiteKind::MlpDown, layer, context));
}

at::Tensor Gpt::forward(const at::Tensor& tokens, const ForwardContext& context) const {
  const std::int64_t length = tokens.size(1);
  PRECIPICE_CHECK(length <= config_.context, length, " tokens exceed the context of ", config_.context);
  at::Tensor x = at::embedding(token_embedding_, tokens).add(position_embedding_.slice(0, 0, length));  // (B, T, C)
  for (std::int64_t layer = 0; layer < config_.layers; ++layer) {
    const Block& block = blocks_[static_cast<std::size_t>(layer)];
    x = x.add(attention(norm(x, block.norm1), layer, context));
    x = x.add(mlp(norm(x, block.norm2), layer, context));
  }
  const at::Tensor logits =
      quantized_linear(norm(x, final_norm_), head_, at::Tensor(), site(SiteKind::LmHead, 0, context));
  return logits.view({-1, vocabulary_});
}

std::int64_t Gpt::num_parameters() const {
  std::int64_t count = 0;
  for (const auto& parameter : parameters_) count += parameter.value.numel();
  return count;
}

std::int64_t count_parameters(const ModelConfig& c, std::int64_t vocabulary) {
  const std::int64_t norm = c.width * (c.bias ? 2 : 1);
  const std::int64_t block = 12 * c.width * c.width + (c.bias ? 9 * c.width : 0) + 2 * norm;
  return (vocabulary * (c.tied_head ? 1 : 2) + c.context) * c.width + c.layers * block + norm;
}

at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& targets) {
  return at::cross_entropy_loss(logits, targets);
}

}  // namespace precipice
