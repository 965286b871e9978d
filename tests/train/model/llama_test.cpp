// SPDX-License-Identifier: Apache-2.0
#include "train/model/architectures.h"

#include <ATen/ops/tanh.h>

#include <cmath>
#include <set>

#include "precision/base/check.h"
#include "tests/train/model/model_support.h"
#include "train/config/model_shapes.h"

using namespace precipice;
using test::kVocabulary;
using test::random_tokens;
using test::same_bits;
using test::tiny;
using test::tiny_llama_config;

namespace {

at::Tensor logits_of(const Model& model) {
  return model.forward(random_tokens(3, 6, 1), {}).detach();
}

// Logits, and all gradients of the cross-entropy.
std::vector<at::Tensor> llama_pass(const Model& model) {
  const at::Tensor logits = model.forward(random_tokens(3, 6, 1), {});
  cross_entropy(logits, random_tokens(3, 6, 2).view({-1})).backward();
  std::vector<at::Tensor> result{logits.detach()};
  for (const auto& parameter : model.parameters()) result.push_back(parameter.value.grad());
  return result;
}

bool same_tensors(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!same_bits(a[i], b[i])) return false;
  return true;
}

// A large eps bounds the curvature of norms of few elements, which finite steps in fp32 cannot follow;
// losses are summed in double below to keep their own rounding out of the differences.
ModelConfig smooth_config() {
  ModelConfig config = tiny_llama_config();
  config.norm_eps = 0.2;
  return config;
}

std::optional<NormKind> norm_of(std::string_view word) {
  return word == "none" ? std::nullopt : std::optional(parse_spelling("norm", word, kNormKinds));
}

ModelConfig gpt_beside() {
  ModelConfig config = tiny_llama_config();
  config.kind = &find_architecture("gpt");
  return config;
}

}  // namespace

TEST_CASE("gradients of a Llama agree with central differences, tied or not, for every number of key heads") {
  for (const std::int64_t groups : {1, 2, 4}) {
    ModelConfig config = smooth_config();
    config.kv_heads = groups;
    config.tied_head = groups == 2;
    const auto model = tiny(config);
    const at::Tensor x = random_tokens(8, 6, 1), y = random_tokens(8, 6, 2).view({-1});
    test::check_gradients(*model, [&] { return cross_entropy(model->forward(x, {}).to(at::kDouble), y); });
  }
}

TEST_CASE("gradients with QK norm, z-loss, softcap and grouped queries agree with central differences in both models") {
  for (const char* kind : {"gpt", "llama"})
    for (const char* norm : {"layernorm", "rmsnorm"}) {
      ModelConfig config = smooth_config();
      config.kind = &find_architecture(kind);
      config.qk_norm = norm_of(norm);
      config.softcap = 2;
      const auto model = tiny(config);
      const at::Tensor x = random_tokens(8, 6, 1), y = random_tokens(8, 6, 2).view({-1});
      INFO(kind << " " << norm);
      test::check_gradients(*model, [&] {
        const at::Tensor logits = model->forward(x, {}).to(at::kDouble);
        return cross_entropy(logits, y).add(z_loss(logits), 0.02);
      });
    }
}

TEST_CASE("with QK norm the size of the query and key weights has no influence") {
  for (const char* kind : {"gpt", "llama"})
    for (const char* norm : {"none", "layernorm", "rmsnorm"}) {
      ModelConfig config = tiny_llama_config();
      config.kind = &find_architecture(kind);
      config.qk_norm = norm_of(norm);
      config.norm_eps = 0;
      const auto model = tiny(config);
      const at::Tensor before = logits_of(*model);
      for (const auto& parameter : model->parameters()) {
        // 16 rows of queries and 8 of keys lead c_attn.
        at::Tensor value = parameter.value.detach();
        if (parameter.name.ends_with("c_attn.weight")) value.slice(0, 0, 24).mul_(4);
        if (parameter.name.ends_with("q_proj.weight") || parameter.name.ends_with("k_proj.weight")) value.mul_(4);
      }
      INFO(kind << " " << norm);
      // A power of two scales every operation exactly.
      CHECK(same_bits(logits_of(*model), before) == (std::string(norm) != "none"));
    }
}

TEST_CASE("softcap bends the logits by c tanh(z / c)") {
  ModelConfig config = tiny_llama_config();
  const at::Tensor plain = logits_of(*tiny(config));
  config.softcap = 1.5;
  const at::Tensor capped = logits_of(*tiny(config));
  CHECK(capped.sub(at::tanh(plain.to(at::kDouble).div(1.5)).mul(1.5)).abs().max().item<float>() <= 4 * 0x1p-23f);
  CHECK(capped.abs().max().item<float>() < 1.5f);
}

TEST_CASE("a Llama's logits depend on the past only, and on the order of it") {
  for (const char* recipe : {"fp32", "bf16", "e8m3"}) {
    const auto model = tiny(tiny_llama_config(), recipe);
    const at::Tensor tokens = random_tokens(1, 6, 3), changed = tokens.clone();
    changed.mutable_data_ptr<std::int64_t>()[4] = (changed.const_data_ptr<std::int64_t>()[4] + 1) % kVocabulary;
    const at::Tensor a = model->forward(tokens, {}).detach(), b = model->forward(changed, {}).detach();
    CHECK(same_bits(a.slice(0, 0, 4), b.slice(0, 0, 4)));
    CHECK_FALSE(same_bits(a.slice(0, 4, 5), b.slice(0, 4, 5)));
  }
}

TEST_CASE("parameters have Hugging Face's names, shapes and number") {
  const ModelConfig config = tiny_llama_config();
  const auto model = tiny(config);
  std::vector<std::pair<std::string, std::vector<std::int64_t>>> expected = {{"model.embed_tokens.weight", {11, 16}}};
  for (const std::string layer : {"model.layers.0.", "model.layers.1."})
    for (const auto& [name, shape] :
         std::vector<std::pair<std::string, std::vector<std::int64_t>>>{{"input_layernorm.weight", {16}},
                                                                        {"self_attn.q_proj.weight", {16, 16}},
                                                                        {"self_attn.k_proj.weight", {8, 16}},
                                                                        {"self_attn.v_proj.weight", {8, 16}},
                                                                        {"self_attn.o_proj.weight", {16, 16}},
                                                                        {"post_attention_layernorm.weight", {16}},
                                                                        {"mlp.gate_proj.weight", {24, 16}},
                                                                        {"mlp.up_proj.weight", {24, 16}},
                                                                        {"mlp.down_proj.weight", {16, 24}}})
      expected.emplace_back(layer + name, shape);
  expected.emplace_back("model.norm.weight", std::vector<std::int64_t>{16});
  expected.emplace_back("lm_head.weight", std::vector<std::int64_t>{11, 16});
  std::vector<std::pair<std::string, std::vector<std::int64_t>>> found;
  for (const auto& array : model->weights()) found.emplace_back(array.name, array.shape);
  CHECK(found == expected);

  for (const char* kind : {"gpt", "llama"})
    for (const char* norm : {"none", "rmsnorm"})
      for (const bool tied : {false, true}) {
        ModelConfig c = tiny_llama_config();
        c.kind = &find_architecture(kind);
        c.qk_norm = norm_of(norm);
        c.tied_head = tied;
        c.bias = c.kind->has_biases && tied;
        CHECK(tiny(c)->num_parameters() == count_parameters(c, kVocabulary).elements);
      }
  // TinyLlama 1.1B: 1,100,048,384 parameters (its model card): 22 layers of 2048, 32 heads on 4, MLP 5632.
  ModelConfig large;
  large.kind = &find_architecture("llama");
  large.layers = 22;
  large.width = 2048;
  large.heads = 32;
  large.kv_heads = 4;
  large.hidden = 5632;
  CHECK(count_parameters(large, 32000).elements == 1'100'048'384);
  // Its 120M sister has an MLP of 2048 at width 768.
  large.hidden.reset();
  large.width = 768;
  CHECK(large.mlp_width() == 2048);
}

TEST_CASE("a Llama's weights leave and come back as the same model") {
  for (const bool tied : {false, true}) {
    ModelConfig config = tiny_llama_config();
    config.qk_norm = NormKind::Rms;
    config.tied_head = tied;
    const auto source = tiny(config, "fp32", 1), target = tiny(config, "fp32", 2);
    CHECK_FALSE(same_bits(logits_of(*source), logits_of(*target)));
    target->load(source->weights());
    CHECK(same_tensors(llama_pass(*source), llama_pass(*target)));
    CHECK(source->weights().back().name == "lm_head.weight");
  }
  CHECK_THROWS_WITH(tiny(tiny_llama_config())->load(tiny(gpt_beside())->weights()),
                    Catch::Contains("model.embed_tokens.weight is missing"));
}

TEST_CASE("sites of a gated block have a name more, and only there") {
  const auto llama = tiny(tiny_llama_config(), "bf16"), gpt = tiny(gpt_beside(), "bf16");
  const auto names = llama->policy().site_names();
  CHECK(names == std::vector<std::string>{"h.0.attn.qkv", "h.0.attn.qk", "h.0.attn.pv", "h.0.attn.proj", "h.0.mlp.gate",
                                          "h.0.mlp.up", "h.0.mlp.down", "h.1.attn.qkv", "h.1.attn.qk", "h.1.attn.pv",
                                          "h.1.attn.proj", "h.1.mlp.gate", "h.1.mlp.up", "h.1.mlp.down", "lm_head"});
  CHECK(names[llama->policy().site_index(SiteKind::MlpGate, 1)] == "h.1.mlp.gate");
  CHECK_THROWS_AS(gpt->policy().site_index(SiteKind::MlpGate, 0), ContractError);
}

namespace {
// Which sites saw their operands rounded.
struct Seen : QuantizationObserver {
  void observe(std::size_t site, Slot slot, const EventCounts&) override { slots.insert({site, slot}); }
  std::set<std::pair<std::size_t, Slot>> slots;
};
}  // namespace

TEST_CASE("every product of a Llama goes through its site, forward and backward") {
  const auto model = tiny(tiny_llama_config(), "bf16");
  Seen seen;
  ForwardContext context;
  context.observer = &seen;
  cross_entropy(model->forward(random_tokens(2, 6, 1), context), random_tokens(2, 6, 2).view({-1})).backward();
  for (std::size_t site = 0; site < model->policy().num_sites(); ++site)
    for (const Slot slot : {Slot::FpropX, Slot::FpropW, Slot::DgradDy}) {
      INFO(model->policy().site_names()[site]);
      CHECK(seen.slots.count({site, slot}) == 1);
    }
}

TEST_CASE("initial weights follow their scheme's deviations, times the scale") {
  ModelConfig config = tiny_llama_config();
  config.width = 64;
  config.layers = 3;
  for (const char* kind : {"gpt", "llama"})
    for (const char* scheme : {"gpt", "tinyllama"}) {
      config.kind = &find_architecture(kind);
      InitConfig init;
      init.scheme = parse_spelling("scheme", scheme, kInitSchemes);
      init.scale = 2;
      const bool tinyllama = init.scheme == InitScheme::TinyLlama;
      const double plain = 2 * (tinyllama ? std::sqrt(2.0 / 5 / 64) : 0.02);
      const double residual = 2 * (tinyllama ? 1 / (8.0 * 3) : 0.02 / std::sqrt(6.0));
      const auto model = make_model(config, init, kVocabulary, make_policy({}, config));
      for (const auto& parameter : model->parameters()) {
        const auto ends = [&](const char* end) { return parameter.name.ends_with(end); };
        INFO(parameter.name);
        if (parameter.value.dim() == 1)
          CHECK(parameter.value.detach().eq(1).all().item<bool>());
        else if (ends("o_proj.weight") || ends("down_proj.weight") || ends("c_proj.weight"))
          CHECK(parameter.init_std == Approx(residual));
        else
          CHECK(parameter.init_std == Approx(plain));
      }
    }
}
