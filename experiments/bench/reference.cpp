// SPDX-License-Identifier: Apache-2.0
// The references of precipice bench, from libtorch's C++ frontend. The only file that pays for its headers.
#include <torch/nn.h>
#include <torch/optim.h>

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "experiments/bench/bench.h"
#include "optim/optimizer.h"
#include "precision/base/check.h"
#include "precision/kernels/quantize_isa.h"
#include "train/data/open_tokens.h"
#include "train/data/tokens.h"

namespace precipice {
namespace {

namespace nn = torch::nn;

struct ReferenceBlock : nn::Module {
  ReferenceBlock(const ModelConfig& config, bool fused) : heads_(config.heads), fused_(fused) {
    const auto width = config.width;
    const auto linear = [&](std::int64_t in, std::int64_t out) {
      return nn::Linear(nn::LinearOptions(in, out).bias(config.bias));
    };
    norm1_ = register_module("ln_1", nn::LayerNorm(nn::LayerNormOptions({width})));
    norm2_ = register_module("ln_2", nn::LayerNorm(nn::LayerNormOptions({width})));
    qkv_ = register_module("c_attn", linear(width, 3 * width));
    proj_ = register_module("c_proj", linear(width, width));
    up_ = register_module("c_fc", linear(width, 4 * width));
    down_ = register_module("mlp_c_proj", linear(4 * width, width));
    mask_ = register_buffer("mask", torch::ones({config.context, config.context}, torch::kBool).triu(1));
  }

  torch::Tensor attend(const torch::Tensor& x) {
    const auto batch = x.size(0), length = x.size(1), width = x.size(2);
    const auto qkv = qkv_(x).split(width, 2);
    const auto split = [&](const torch::Tensor& t) {
      return t.view({batch, length, heads_, width / heads_}).transpose(1, 2);
    };
    const auto q = split(qkv[0]), k = split(qkv[1]), v = split(qkv[2]);
    torch::Tensor y;
    if (fused_) {
      y = at::scaled_dot_product_attention(q, k, v, {}, 0.0, true);
    } else {
      const std::int64_t head_size = width / heads_;
      auto scores = q.matmul(k.transpose(-2, -1)) * (1.0 / std::sqrt(static_cast<double>(head_size)));
      y = torch::softmax(scores.masked_fill(mask_, -std::numeric_limits<float>::infinity()), -1).matmul(v);
    }
    return proj_(y.transpose(1, 2).contiguous().view({batch, length, width}));
  }

  torch::Tensor forward(torch::Tensor x) {
    x = x + attend(norm1_(x));
    return x + down_(torch::gelu(up_(norm2_(x))));
  }

  std::int64_t heads_;
  bool fused_;
  nn::LayerNorm norm1_{nullptr}, norm2_{nullptr};
  nn::Linear qkv_{nullptr}, proj_{nullptr}, up_{nullptr}, down_{nullptr};
  torch::Tensor mask_;
};

struct ReferenceGpt : nn::Module {
  ReferenceGpt(const ModelConfig& config, std::int64_t vocabulary, bool fused) {
    tokens_ = register_module("wte", nn::Embedding(vocabulary, config.width));
    positions_ = register_module("wpe", nn::Embedding(config.context, config.width));
    for (std::int64_t i = 0; i < config.layers; ++i)
      blocks_.push_back(register_module("h" + std::to_string(i), std::make_shared<ReferenceBlock>(config, fused)));
    norm_ = register_module("ln_f", nn::LayerNorm(nn::LayerNormOptions({config.width})));
    for (auto& parameter : parameters())
      if (parameter.dim() >= 2) nn::init::normal_(parameter, 0, 0.02);
    range_ = register_buffer("range", torch::arange(config.context));
  }

  torch::Tensor forward(const torch::Tensor& tokens) {
    auto x = tokens_(tokens) + positions_(range_);
    for (auto& block : blocks_) x = block->forward(x);
    return nn::functional::linear(norm_(x), tokens_->weight);  // tied head
  }

  nn::Embedding tokens_{nullptr}, positions_{nullptr};
  std::vector<std::shared_ptr<ReferenceBlock>> blocks_;
  nn::LayerNorm norm_{nullptr};
  torch::Tensor range_;
};

}  // namespace

struct ReferenceTrainer::Impl {
  Impl(const RunConfig& config, bool fused, at::Device device)
      : model(config.model, config.data.vocabulary, fused),
        optimizer(parameters_on(device),
                  torch::optim::AdamWOptions(config.optimizer.lr).betas({0.9, 0.95}).weight_decay(0.1)) {
    const Batch batch = open_tokens(config)->training_batch(0);
    x = torch::tensor(batch.x).view({config.train.batch, config.model.context}).to(device);
    y = torch::tensor(batch.y).to(device);
    clip = config.optimizer.clip_norm;
  }
  std::vector<torch::Tensor> parameters_on(at::Device device) {
    if (!device.is_cpu()) model.to(device);
    return model.parameters();
  }
  ReferenceGpt model;
  torch::optim::AdamW optimizer;
  torch::Tensor x, y;
  double clip;
};

ReferenceTrainer::ReferenceTrainer(const RunConfig& config, bool fused, at::Device device)
    : impl_(std::make_unique<Impl>(config, fused, device)) {}
ReferenceTrainer::~ReferenceTrainer() = default;

double ReferenceTrainer::step() {
  const auto loss = nn::functional::cross_entropy(impl_->model.forward(impl_->x).flatten(0, 1), impl_->y);
  impl_->optimizer.zero_grad();
  loss.backward();
  nn::utils::clip_grad_norm_(impl_->model.parameters(), impl_->clip);
  impl_->optimizer.step();
  return loss.item<double>();
}

void bench_optimizer(const BenchOptions& options, std::vector<BenchRow>& rows) {
  const int tensors = 150;
  const std::int64_t size = options.quick ? 6667 : 66667;
  OptimizerConfig config;
  const BenchDevice& device = options.device;
  const auto there = [&] { return torch::randn({size}).to(device.training.device); };
  std::vector<torch::Tensor> values, gradients, theirs;
  std::vector<Parameter> parameters;
  for (int i = 0; i < tensors; ++i) {
    values.push_back(there());
    gradients.push_back(there());
    theirs.push_back(values.back().clone().set_requires_grad(true));
    theirs.back().mutable_grad() = gradients.back().clone();
    parameters.push_back(
        {std::to_string(i), {values.back().data_ptr<float>(), size}, {gradients.back().data_ptr<float>(), size}, true});
  }
  Optimizer ours(config, StoredFormats{}, parameters, 0, *device.training.optimizer);
  torch::optim::AdamW reference(theirs, torch::optim::AdamWOptions(config.lr).betas({0.9, 0.95}).weight_decay(0.1));
  const auto update = [&] {
    const GradStats stats = ours.unscale(1.0);
    ours.step(1.0, stats.norm);
    device.wait();
  };
  rows.push_back(
      compare("unscale, check, norm, clip, AdamW, " + std::to_string(tensors) + " tensors of " + std::to_string(size),
              "torch clip_grad_norm_ + AdamW", 1.0 / 3, options.times(5, 15), update, [&] {
                nn::utils::clip_grad_norm_(theirs, config.clip_norm);
                reference.step();
                device.wait();
              }));
  // Gradients are read twice, weights and two moments read and written.
  const auto rate = [&](BenchRow& row) {
    row.rate = fmt::format("{:.1f} GB/s", 1e-9 * 4 * 8 * tensors * static_cast<double>(size) / median(row.ours));
  };
  rate(rows.back());
  if (!device.training.device.is_cpu()) return;

  // The same arrays by additions alone: what memory gives.
  std::vector<std::vector<float>> first(values.size(), std::vector<float>(static_cast<std::size_t>(size))),
      second = first;
  float sum = 0.0f;
  const auto walk = [&] {
    for (const Parameter& p : parameters) {
      for (std::int64_t i = 0; i < size; i += 16) sum += p.grad.data[i];
    }
    for (std::size_t t = 0; t < parameters.size(); ++t) {
      const float* const g = parameters[t].grad.data;
      float *const p = parameters[t].value.data, *const m = first[t].data(), *const v = second[t].data();
      PRECIPICE_INDEPENDENT_LOOP
      for (std::int64_t i = 0; i < size; ++i) {
        m[i] += g[i];
        v[i] -= g[i];
        p[i] += g[i];
      }
    }
  };
  rows.push_back(compare(rows.back().work, "reading and writing the same by additions", 1 / 0.6, options.times(5, 15),
                         update, walk));
  rate(rows.back());
  PRECIPICE_CHECK(std::isfinite(sum), "the sum of gradients is ", sum);  // which is read, and so was made
}

}  // namespace precipice
