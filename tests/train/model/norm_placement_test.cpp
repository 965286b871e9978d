// SPDX-License-Identifier: Apache-2.0
// Where the norms of a block stand: against a GPT written out in ATen in double from the formulas of the papers, and
// its gradients against central differences.
#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>

#include <cmath>
#include <limits>
#include <map>

#include "precision/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/tiny_run.h"
#include "tests/train/model/model_support.h"
#include "train/config/model_shapes.h"
#include "train/model/loss.h"

using namespace precipice;
using test::kVocabulary;
using test::random_tokens;
using test::tiny;

namespace {

ModelConfig placed(NormPlacement placement, const char* kind = "gpt") {
  ModelConfig config = test::tiny_llama_config();
  config.kind = &find_architecture(kind);
  config.norm_placement = placement;
  config.norm_eps = 0.2;  // bounds the curvature of norms of few elements
  return config;
}

class WrittenOutGpt {
 public:
  WrittenOutGpt(const Model& model, const ModelConfig& config) : config_(config) {
    for (const NamedParameter& p : model.parameters()) weights_[p.name] = p.value.detach().to(at::kDouble);
  }

  at::Tensor logits(const at::Tensor& tokens) const {
    const std::int64_t length = tokens.size(1);
    at::Tensor x = w("transformer.wte.weight").index_select(0, tokens.view({-1})).view({-1, length, config_.width}) +
                   w("transformer.wpe.weight").slice(0, 0, length);
    for (std::int64_t layer = 0; layer < config_.layers; ++layer) {
      const std::string h = "transformer.h." + std::to_string(layer) + ".";
      add(x, h + "ln_1", [&](const at::Tensor& y) { return attention(y, h); });
      add(x, h + "ln_2", [&](const at::Tensor& y) {
        const at::Tensor up = y.matmul(w(h + "mlp.c_fc.weight").t());
        const at::Tensor hidden = up * 0.5 * ((up / std::sqrt(2.0)).erf() + 1);
        return hidden.matmul(w(h + "mlp.c_proj.weight").t());
      });
    }
    if (config_.norm_placement != NormPlacement::Post) x = norm(x, "transformer.ln_f");
    return x.matmul(w("transformer.wte.weight").t()).view({-1, kVocabulary});
  }

 private:
  const at::Tensor& w(const std::string& name) const { return weights_.at(name); }
  at::Tensor norm(const at::Tensor& x, const std::string& name) const {
    const at::Tensor centred = x - x.mean(-1, true);
    return centred / (centred.square().mean(-1, true) + config_.norm_eps).sqrt() * w(name + ".weight");
  }
  template <class F>
  void add(at::Tensor& x, const std::string& name, const F& f) const {
    switch (config_.norm_placement) {
      case NormPlacement::Pre:
        x = x + f(norm(x, name));
        break;
      case NormPlacement::Post:
        x = norm(x + f(x), name);
        break;
      case NormPlacement::After:
        x = x + norm(f(x), name);
        break;
    }
  }
  at::Tensor attention(const at::Tensor& x, const std::string& h) const {
    const std::int64_t batch = x.size(0), length = x.size(1), depth = config_.head_size();
    const std::vector<at::Tensor> qkv =
        x.matmul(w(h + "attn.c_attn.weight").t())
            .split_with_sizes({config_.width, config_.key_width(), config_.key_width()}, -1);
    const auto heads = [&](const at::Tensor& t) { return t.view({batch, length, -1, depth}).transpose(1, 2); };
    const std::int64_t share = config_.heads / config_.key_heads();
    const at::Tensor q = heads(qkv[0].contiguous()), k = heads(qkv[1].contiguous()).repeat_interleave(share, 1),
                     v = heads(qkv[2].contiguous()).repeat_interleave(share, 1);
    const at::Tensor mask = at::ones({length, length}, at::TensorOptions(at::kDouble)).tril().eq(0);
    const at::Tensor scores = (q.matmul(k.transpose(-2, -1)) / std::sqrt(static_cast<double>(depth)))
                                  .masked_fill(mask, -std::numeric_limits<double>::infinity());
    return scores.softmax(-1)
        .matmul(v)
        .transpose(1, 2)
        .reshape({batch, length, -1})
        .matmul(w(h + "attn.c_proj.weight").t());
  }

  ModelConfig config_;
  std::map<std::string, at::Tensor> weights_;
};

}  // namespace

TEST_CASE("a GPT's logits are those of the formula of each placement, and the placements differ", "[norm_placement]") {
  const at::Tensor tokens = random_tokens(3, 6, 1);
  std::vector<at::Tensor> all;
  for (const auto& [word, placement] : kNormPlacements) {
    INFO(word);
    const ModelConfig config = placed(placement);
    const auto model = tiny(config);
    all.push_back(model->forward(tokens, {}).detach().to(at::kDouble));
    // Logits of a few units from sums of tens of fp32 terms.
    CHECK((WrittenOutGpt(*model, config).logits(tokens) - all.back()).abs().max().item<double>() < 2e-5);
    ForwardContext plain;
    plain.plain = true;
    CHECK((model->forward(tokens, plain).detach() - all.back()).abs().max().item<double>() < 2e-5);
  }
  CHECK((all[0] - all[1]).abs().max().item<double>() > 0.1);
  CHECK((all[1] - all[2]).abs().max().item<double>() > 0.1);
}

TEST_CASE("gradients of every placement agree with central differences, in both architectures", "[norm_placement]") {
  for (const char* kind : {"gpt", "llama"})
    for (const NormPlacement placement : {NormPlacement::Post, NormPlacement::After}) {
      INFO(kind << ' ' << spelling_of(placement, kNormPlacements));
      const auto model = tiny(placed(placement, kind));
      const at::Tensor x = random_tokens(8, 6, 1), y = random_tokens(8, 6, 2).view({-1});
      test::check_gradients(*model, [&] { return cross_entropy(model->forward(x, {}).to(at::kDouble), y); });
    }
}

TEST_CASE("the parameters of each placement are counted: post has no norm before the head", "[norm_placement]") {
  for (const char* kind : {"gpt", "llama"})
    for (const auto& [word, placement] : kNormPlacements) {
      const ModelConfig config = placed(placement, kind);
      const auto model = tiny(config);
      const ParameterCount count = count_parameters(config, kVocabulary);
      CHECK(count.elements == model->num_parameters());
      CHECK(count.tensors == static_cast<std::int64_t>(model->parameters().size()));
      CHECK(count.gains == (placement == NormPlacement::Post ? 4 : 5));
    }
}

TEST_CASE("formats between the products are obeyed in every placement, and the default keeps a run's id",
          "[norm_placement]") {
  PrecisionConfig precision;
  precision.residual = "bf16";
  const at::Tensor tokens = random_tokens(3, 6, 1);
  for (const NormPlacement placement : {NormPlacement::Post, NormPlacement::After}) {
    const ModelConfig config = placed(placement);
    const at::Tensor rounded = tiny(config, precision)->forward(tokens, {}).detach(),
                     exact = tiny(config)->forward(tokens, {}).detach();
    const double change = (rounded - exact).abs().max().item<double>();
    CHECK(change > 1e-4);  // bf16 has eight bits
    CHECK(change < 0.2);
  }
  CHECK(run_id(test::tiny_config({"model.norm_placement=pre"})) == run_id(test::tiny_config()));
  CHECK(run_id(test::tiny_config({"model.norm_placement=post"})) != run_id(test::tiny_config()));
  CHECK_THROWS_WITH(test::tiny_config({"model.norm_placement=inside"}), Catch::Contains("pre, post, after"));
}
