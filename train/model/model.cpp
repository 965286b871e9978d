// SPDX-License-Identifier: Apache-2.0
// What the architectures share.
#include "train/model/model.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/tanh.h>

#include <tuple>

#include "precision/base/check.h"
#include "train/model/attention.h"
#include "train/model/embedding.h"

namespace precipice {

Model::Model(const ModelConfig& config, std::int64_t vocabulary, PrecisionSchedule schedule)
    : config_(config), vocabulary_(vocabulary), schedule_(std::move(schedule)) {}

at::Tensor Model::add_parameter(const std::string& name, std::vector<std::int64_t> shape, double init_std,
                                double init_value) {
  at::Tensor value = at::empty(shape, at::TensorOptions(at::kFloat));
  value.set_requires_grad(true);
  parameters_.push_back({name, value, init_std, init_value});
  return value;
}

void Model::add_stream_norm(const std::string& name, NormKind kind) {
  Norm norm{kind, add_parameter(name + ".weight", {config_.width}, 0, 1), {}};
  if (config_.bias) norm.bias = add_parameter(name + ".bias", {config_.width}, 0, 0);
  stream_norms_.push_back(norm);
}

Norm Model::add_qk_norm(const std::string& name) {
  if (config_.qk_norm == "none") return {};
  const NormKind kind = config_.qk_norm == "rmsnorm" ? NormKind::Rms : NormKind::Layer;
  // No bias, as in the papers: a constant added to every key changes no softmax.
  return {kind, add_parameter(name + ".weight", {config_.head_size()}, 0, 1), {}};
}

Model::Linear Model::add_linear(const std::string& name, std::int64_t in, std::int64_t out, double init_std) {
  Linear linear;
  linear.weight = add_parameter(name + ".weight", {out, in}, init_std, 0);
  if (config_.bias) linear.bias = add_parameter(name + ".bias", {out}, 0, 0);
  return linear;
}

void Model::add_embedding(const std::string& name, double init_std) {
  PRECIPICE_CHECK(parameters_.empty(), "the embedding is the first parameter");
  token_embedding_ = add_parameter(name, {vocabulary_, config_.width}, init_std, 0);
}

void Model::add_head(double init_std) {
  head_ =
      config_.is_tied() ? token_embedding_ : add_parameter("lm_head.weight", {vocabulary_, config_.width}, init_std, 0);
}

MatmulSite Model::site(SiteKind kind, std::int64_t layer, const ForwardContext& context) const {
  const PrecisionPolicy& policy = schedule_.at_step(context.step);
  const std::size_t index = policy.site_index(kind, layer);
  return {&policy.at(index), index,         context.rounding_seed, context.step, context.evaluation,
          context.observer,  context.scales};
}

at::Tensor Model::linear(const at::Tensor& x, const Linear& linear, SiteKind kind, std::int64_t layer,
                         const ForwardContext& context) const {
  return quantized_linear(x, linear.weight, linear.bias, site(kind, layer, context));
}

at::Tensor Model::norm(const at::Tensor& x, const Norm& norm) const {
  return normalise(x, norm, config_.norm_eps, elements());
}

at::Tensor Model::attention(const at::Tensor& qkv, const AttentionParts& parts, std::int64_t layer,
                            const ForwardContext& context) const {
  const std::int64_t batch = qkv.size(0), length = qkv.size(1), depth = config_.head_size();
  const std::int64_t queries = config_.heads * depth, keys = config_.key_heads() * depth;
  const MatmulSite qk = site(SiteKind::AttnQk, layer, context), pv = site(SiteKind::AttnPv, layer, context);
  if (!parts.rope && !parts.q_norm.weight.defined())
    return causal_attention(qkv, config_.heads, config_.key_heads(), qk, pv, elements().softmax, context.attention,
                            layer);
  const auto split = qkv.split_with_sizes({queries, keys, keys}, -1);
  const auto heads = [&](const at::Tensor& x) { return x.view({batch, length, -1, depth}); };
  const auto positioned = [&](const at::Tensor& x, const Norm& norm_of_heads) {
    const at::Tensor normed = norm_of_heads.weight.defined() ? norm(x, norm_of_heads) : x;
    if (!parts.rope) return normed;
    return round_tensor(apply_rope(round_gradient(normed, elements().vector), *parts.rope), elements().vector);
  };
  return causal_attention(positioned(heads(split[0]), parts.q_norm), positioned(heads(split[1]), parts.k_norm),
                          heads(split[2]), qk, pv, elements().softmax, context.attention, layer);
}

at::Tensor Model::forward(const at::Tensor& tokens, const ForwardContext& context) const {
  PRECIPICE_CHECK(tokens.size(1) <= config_.context, tokens.size(1), " tokens exceed the context of ", config_.context);
  auto norm_of = stream_norms_.begin();
  at::Tensor stream = embed(tokens, token_embedding_, position_embedding_, elements().residual);  // (B, T, C)
  at::Tensor normed = norm(stream, *norm_of++);
  const auto add = [&](const at::Tensor& y) {
    std::tie(stream, normed) = add_and_normalise(stream, y, *norm_of++, config_.norm_eps, elements());
  };
  for (std::int64_t layer = 0; layer < config_.layers; ++layer) {
    add(attend(normed, layer, context));
    add(mlp(normed, layer, context));
  }
  return logits(normed, context);
}

at::Tensor Model::logits(const at::Tensor& x, const ForwardContext& context) const {
  const at::Tensor z =
      quantized_linear(x, head_, at::Tensor(), site(SiteKind::LmHead, 0, context)).view({-1, vocabulary_});
  const double cap = config_.softcap;
  if (cap == 0) return z;
  const MatrixQuantizer& vector = elements().vector;
  return round_tensor(at::tanh(round_gradient(z, vector).div(cap)).mul(cap), vector);
}

std::int64_t Model::num_parameters() const {
  std::int64_t count = 0;
  for (const auto& parameter : parameters_) count += parameter.value.numel();
  return count;
}

}  // namespace precipice
