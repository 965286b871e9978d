// SPDX-License-Identifier: Apache-2.0
// What the architectures share.
#include "train/model/model.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tanh.h>

#include <algorithm>
#include <string_view>
#include <tuple>

#include "precision/autograd/round_tensor.h"
#include "precision/base/check.h"
#include "precision/quantize/noted_amax.h"
#include "precision/quantize/quantize_task.h"
#include "train/attention/attention.h"
#include "train/model/embedding.h"
#include "train/model/plain_operations.h"

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

void Model::add_stream_norm(const std::string& name) {
  Norm norm{config_.kind->norm, add_parameter(name + ".weight", {config_.width}, 0, 1), {}};
  if (config_.bias) norm.bias = add_parameter(name + ".bias", {config_.width}, 0, 0);
  stream_norms_.push_back(norm);
}

void Model::add_final_norm(const std::string& name) {
  if (config_.norm_placement != NormPlacement::Post) add_stream_norm(name);
}

Norm Model::add_qk_norm(const std::string& name) {
  if (!config_.qk_norm) return {};
  // No bias, as in the papers: a constant added to every key changes no softmax.
  return {*config_.qk_norm, add_parameter(name + ".weight", {config_.head_size()}, 0, 1), {}};
}

Model::Linear Model::add_linear(const std::string& prefix, const char* name, double init_std) {
  const std::vector<BlockLinear> linears = config_.kind->linears(config_);
  const auto shape = std::find_if(linears.begin(), linears.end(),
                                  [&](const BlockLinear& linear) { return std::string_view(linear.name) == name; });
  PRECIPICE_CHECK(shape != linears.end(), "the table of ", config_.kind->name, " has no ", name);
  Linear linear;
  linear.weight = add_parameter(prefix + name + ".weight", {shape->out, shape->in}, init_std, 0);
  if (config_.bias) linear.bias = add_parameter(prefix + name + ".bias", {shape->out}, 0, 0);
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
  return {&policy.at(index), index,          context.rounding_seed, context.step,   context.evaluation,
          context.observer,  context.scales, context.products,      context.ledger, context.step_at};
}

at::Tensor Model::linear(const at::Tensor& x, const Linear& linear, SiteKind kind, std::int64_t layer,
                         const ForwardContext& context) const {
  if (context.plain) return plain::linear(x, linear.weight, linear.bias);
  return quantized_linear(x, linear.weight, linear.bias, site(kind, layer, context));
}

at::Tensor Model::joined_linear(const at::Tensor& x, const std::vector<at::Tensor>& weights, SiteKind kind,
                                std::int64_t layer, const ForwardContext& context) const {
  if (!context.plain) return linear(x, {at::cat(weights), {}}, kind, layer, context);
  std::vector<at::Tensor> results;
  for (const at::Tensor& weight : weights) results.push_back(plain::linear(x, weight, {}));
  return at::cat(results, -1);
}

at::Tensor Model::norm(const at::Tensor& x, const Norm& norm, const ForwardContext& context) const {
  return context.plain ? plain::normalise(x, norm, config_.norm_eps) : normalise(x, norm, config_.norm_eps, elements());
}

at::Tensor Model::attention(const at::Tensor& qkv, const AttentionParts& parts, std::int64_t layer,
                            const ForwardContext& context) const {
  const std::int64_t batch = qkv.size(0), length = qkv.size(1), depth = config_.head_size();
  const std::int64_t queries = config_.heads * depth, keys = config_.key_width();
  const MatmulSite qk = site(SiteKind::AttnQk, layer, context), pv = site(SiteKind::AttnPv, layer, context);
  if (!context.plain && !parts.rope && !parts.q_norm.weight.defined())
    return causal_attention(qkv, config_.heads, config_.key_heads(), qk, pv, elements().softmax, context.attention,
                            layer);
  const auto split = qkv.split_with_sizes({queries, keys, keys}, -1);
  const auto heads = [&](const at::Tensor& x) { return x.view({batch, length, -1, depth}); };
  const auto positioned = [&](const at::Tensor& x, const Norm& norm_of_heads) {
    const at::Tensor normed = norm_of_heads.weight.defined() ? norm(x, norm_of_heads, context) : x;
    if (!parts.rope) return normed;
    if (context.plain) return plain::rotated(normed, *parts.rope);
    return round_tensor(apply_rope(round_gradient(normed, elements().vector), *parts.rope), elements().vector);
  };
  const at::Tensor q = positioned(heads(split[0]), parts.q_norm), k = positioned(heads(split[1]), parts.k_norm),
                   v = heads(split[2]);
  if (context.plain) return plain::causal_attention(q, k, v);
  return causal_attention(q, k, v, qk, pv, elements().softmax, context.attention, layer);
}

at::Tensor Model::pre_norm_blocks(at::Tensor stream, const ForwardContext& context) const {
  auto norm_of = stream_norms_.begin();
  at::Tensor normed = norm(stream, *norm_of++, context);
  const auto add = [&](const at::Tensor& y) {
    if (context.plain) {
      stream = stream + y;
      normed = norm(stream, *norm_of++, context);
      return;
    }
    std::tie(stream, normed) = add_and_normalise(stream, y, *norm_of++, config_.norm_eps, elements());
  };
  for (std::int64_t layer = 0; layer < config_.layers; ++layer) {
    add(attend(normed, layer, context));
    add(mlp(normed, layer, context));
  }
  return normed;
}

// Norms behind the addition (post), where the stream is what they give, or of what is added (after).
at::Tensor Model::other_blocks(at::Tensor stream, const ForwardContext& context) const {
  const bool is_post = config_.norm_placement == NormPlacement::Post;
  auto norm_of = stream_norms_.begin();
  const auto add = [&](const at::Tensor& y) {
    const Norm& own = *norm_of++;
    if (is_post) {
      stream = context.plain ? norm(stream + y, own, context)
                             : add_and_normalise(stream, y, own, config_.norm_eps, elements()).second;
      return;
    }
    const at::Tensor sum = stream + norm(y, own, context);
    stream = context.plain ? sum : round_tensor(sum, elements().residual);
  };
  for (std::int64_t layer = 0; layer < config_.layers; ++layer) {
    add(attend(stream, layer, context));
    add(mlp(stream, layer, context));
  }
  return is_post ? stream : norm(stream, *norm_of, context);
}

at::Tensor Model::forward(const at::Tensor& inputs, const ForwardContext& context) const {
  PRECIPICE_CHECK(inputs.size(1) <= config_.context, inputs.size(1), " tokens exceed the context of ", config_.context);
  PRECIPICE_CHECK(!context.plain || elements() == ElementPrecision{}, "plain operations round nothing");
  if (!context.plain && !device().is_cpu()) note_weights(context);
  return outputs(inputs, context);
}

void Model::note_weights(const ForwardContext& context) const {
  std::vector<at::Tensor> noted;
  const auto add = [&](SiteKind kind, std::int64_t layer, const at::Tensor& weight) {
    if (scales_by_amax(site(kind, layer, context).precision->fprop.second)) noted.push_back(weight);
  };
  for (std::int64_t layer = 0; layer < config_.layers; ++layer)
    for (const SiteKind kind : {SiteKind::AttnQkv, SiteKind::AttnProj, SiteKind::MlpUp, SiteKind::MlpDown}) {
      // Several weights are a matrix of their own (joined_linear).
      const std::vector<at::Tensor> weights = block_weights(kind, layer);
      if (weights.size() == 1) add(kind, layer, weights.front());
    }
  if (head_.defined()) add(SiteKind::LmHead, 0, head_.detach());
  note_amaxes_of(noted);
}

at::Tensor Model::outputs(const at::Tensor& tokens, const ForwardContext& context) const {
  const at::Tensor stream = context.plain  // (B, T, C)
                                ? plain::embed(tokens, token_embedding_, position_embedding_)
                                : embed(tokens, token_embedding_, position_embedding_, elements().residual);
  return logits(
      config_.norm_placement == NormPlacement::Pre ? pre_norm_blocks(stream, context) : other_blocks(stream, context),
      context);
}

at::Tensor Model::logits(const at::Tensor& x, const ForwardContext& context) const {
  const double cap = config_.softcap;
  const MatmulSite head = site(SiteKind::LmHead, 0, context);
  if (context.bf16_logits && cap == 0 && is_bf16_outside(head, x))
    return bf16_linear(x, head_, head).view({-1, vocabulary_});
  const at::Tensor z = linear(x, {head_, {}}, SiteKind::LmHead, 0, context).view({-1, vocabulary_});
  if (cap == 0) return z;
  const ElementQuantizer& vector = elements().vector;
  return round_tensor(at::tanh(round_gradient(z, vector).div(cap)).mul(cap), vector);
}

void Model::to(at::Device device) {
  // In place, since parts of the model hold the same tensors.
  const auto move = [&](const at::Tensor& x) { x.set_data(x.detach().to(x.options().device(device))); };
  for (const NamedParameter& parameter : parameters_) move(parameter.value);
  for (const at::Tensor& constant : constants_) move(constant);
}

std::int64_t Model::num_parameters() const {
  std::int64_t count = 0;
  for (const auto& parameter : parameters_) count += parameter.value.numel();
  return count;
}

}  // namespace precipice
