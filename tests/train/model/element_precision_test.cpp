// SPDX-License-Identifier: Apache-2.0
// The formats between matmuls, as a whole model shows them.
#include <cmath>

#include "tests/train/model/model_support.h"

using namespace precipice;
using test::random_tokens;
using test::same_bits;
using test::tiny;
using test::tiny_llama_config;

namespace {

ModelConfig config_of(const std::string& kind) {
  ModelConfig config = tiny_llama_config();
  config.kind = &find_architecture(kind);
  config.qk_norm = NormKind::Rms;
  return config;
}

std::vector<at::Tensor> pass(const Model& model) {
  const at::Tensor logits = model.forward(random_tokens(4, 6, 1), {});
  cross_entropy(logits, random_tokens(4, 6, 2).view({-1})).backward();
  std::vector<at::Tensor> result{logits.detach()};
  for (const auto& parameter : model.parameters()) result.push_back(parameter.value.grad());
  return result;
}

bool same(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!same_bits(a[i], b[i])) return false;
  return a.size() == b.size();
}

PrecisionConfig in_vectors(const std::string& format) {
  PrecisionConfig precision;
  precision.recipe = "custom";
  precision.vector = format;
  return precision;
}

// Gains away from 1, so that their rounding shows.
void spread_gains(const Model& model) {
  for (const auto& parameter : model.parameters()) {
    if (parameter.value.dim() != 1) continue;
    at::Tensor value = parameter.value.detach();
    value.add_(test::random_tensor(value.sizes().vec(), 9, 0.2f));
  }
}

}  // namespace

TEST_CASE("with every result between matmuls in bf16, operands and gradients of matmuls are bf16 already") {
  // So rounding them once more at the sites changes nothing; with one kind of result left in fp32 it does. The logits'
  // gradient comes from the loss, hence no rounding at the LM head.
  for (const char* kind : {"gpt", "llama"})
    for (const char* left : {"", "vector", "residual", "softmax", "norm"}) {
      PrecisionConfig precision = in_vectors("bf16");
      precision.output = "bf16";
      precision.lm_head = "high";
      precision.residual = precision.softmax = precision.norm = "bf16";
      if (std::string(left) == "vector") precision.vector = "high";
      if (std::string(left) == "residual") precision.residual = "high";
      if (std::string(left) == "softmax") precision.softmax = "high";
      if (std::string(left) == "norm") precision.norm = "high";
      const auto plain = pass(*tiny(config_of(kind), precision));
      precision.x = precision.dy = "bf16";
      precision.overflow = Overflow::Native;
      INFO(kind << " without " << left);
      CHECK(same(plain, pass(*tiny(config_of(kind), precision))) == std::string(left).empty());
    }
}

TEST_CASE("residual stream, softmax and norms follow the vector format unless they are set") {
  for (const char* kind : {"gpt", "llama"}) {
    const auto followed = pass(*tiny(config_of(kind), in_vectors("bf16")));
    PrecisionConfig spelled = in_vectors("bf16");
    spelled.residual = spelled.softmax = spelled.norm = "bf16";
    CHECK(same(followed, pass(*tiny(config_of(kind), spelled))));
    for (std::string PrecisionConfig::*key :
         {&PrecisionConfig::residual, &PrecisionConfig::softmax, &PrecisionConfig::norm}) {
      PrecisionConfig changed = in_vectors("bf16");
      changed.*key = "high";
      CHECK_FALSE(same(followed, pass(*tiny(config_of(kind), changed))));
    }
  }
}

TEST_CASE("fp32 and high between matmuls are the bits of a model without these keys") {
  for (const char* kind : {"gpt", "llama"}) {
    const auto plain = pass(*tiny(config_of(kind), "custom"));
    for (const char* format : {"fp32", "high"}) CHECK(same(plain, pass(*tiny(config_of(kind), in_vectors(format)))));
    CHECK_FALSE(same(plain, pass(*tiny(config_of(kind), in_vectors("bf16")))));
  }
}

TEST_CASE("rounded gains act as gains of that value, and their gradients pass straight through") {
  for (const char* kind : {"gpt", "llama"}) {
    PrecisionConfig precision = in_vectors("");
    precision.norm_weights = "e4m3";
    const auto rounding = tiny(config_of(kind), precision), rounded = tiny(config_of(kind), "custom"),
               exact = tiny(config_of(kind), "custom");
    for (const Model* model : {rounding.get(), rounded.get(), exact.get()}) spread_gains(*model);
    for (const auto& parameter : rounded->parameters()) {
      at::Tensor value = parameter.value.detach();
      if (value.dim() == 1) value.copy_(value.to(at::kFloat8_e4m3fn).to(at::kFloat));
    }
    const auto ours = pass(*rounding);
    CHECK(same(ours, pass(*rounded)));
    CHECK_FALSE(same(ours, pass(*exact)));
  }
}

TEST_CASE("a rounded rope table reaches the scores of a Llama") {
  PrecisionConfig precision = in_vectors("");
  const auto exact = pass(*tiny(config_of("llama"), precision));
  precision.rope_table = "bf16";
  CHECK_FALSE(same(exact, pass(*tiny(config_of("llama"), precision))));
}
