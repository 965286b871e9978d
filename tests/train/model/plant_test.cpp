// SPDX-License-Identifier: Apache-2.0
// What init.plant does to weights, and what the model then computes: scores of a planted sink, the unchanged function of
// planted outliers, rows and gains one by one. Everything else keeps its bits.
#include "train/config/plants.h"

#include <fmt/format.h>

#include <cmath>
#include <map>

#include "tests/support/tiny_run.h"
#include "tests/train/model/model_support.h"
#include "train/data/open_tokens.h"
#include "train/run/model_weights.h"

using namespace precipice;
using Catch::Contains;
using test::same_bits;

// Other tests that are compiled with this one have such names as well.
namespace plant_test {
namespace {

ModelConfig gpt_config() {
  ModelConfig config;
  config.layers = 2, config.width = 64, config.heads = 2, config.context = 24;
  return config;
}
ModelConfig llama_config() {
  ModelConfig config = gpt_config();
  config.kind = &find_architecture("llama");
  config.kv_heads = 1;
  config.hidden = 48;
  return config;
}

std::unique_ptr<Model> small(const ModelConfig& config) {
  InitConfig init;
  init.seed = 3;
  PrecisionConfig precision;
  precision.recipe = "fp32";
  return make_model(config, init, test::kVocabulary, make_policy(precision, config));
}

std::map<std::string, at::Tensor> by_name(const Model& model) {
  std::map<std::string, at::Tensor> all;
  for (const NamedParameter& parameter : model.parameters()) all[parameter.name] = parameter.value.detach();
  return all;
}

// Names of the parameters that a plant changes.
std::vector<std::string> changed(const ModelConfig& config, const std::string& plant) {
  const auto before = small(config), after = small(config);
  after->plant(parse_plants(plant));
  std::vector<std::string> names;
  const auto old = by_name(*before), now = by_name(*after);
  for (const auto& [name, value] : now)
    if (!same_bits(value, old.at(name))) names.push_back(name);
  return names;
}

struct Scores : AttentionObserver {
  void attend(std::int64_t layer, const at::Tensor& s, const at::Tensor&, double scale) override {
    if (layer == wanted) scores = s.select(1, 0).mul(scale);  // (B, T, T), of the first head
  }
  std::int64_t wanted = 0;
  at::Tensor scores;
};

at::Tensor logits(const Model& model, const at::Tensor& tokens) {
  const at::NoGradGuard guard;
  return model.forward(tokens, {});
}

std::string problem(const std::string& plant, const ModelConfig& config = gpt_config()) {
  try {
    check_plants(parse_plants(plant), config, test::kVocabulary);
  } catch (const ConfigError& error) {
    return error.problem();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("a planted sink draws the queries of its head by the score that was asked for, and its maxima repeat") {
  for (const ModelConfig& config : {gpt_config(), llama_config()})
    for (const std::int64_t layer : {0, 1}) {
      const auto model = small(config);
      model->plant(parse_plants(fmt::format("sink:token=4,score=9,layer={}", layer)));
      at::Tensor tokens = test::random_tokens(8, 24, 5);
      for (std::int64_t row = 0; row < 8; ++row)
        for (std::int64_t i = 0; i < 24; ++i) {
          std::int64_t& token = tokens.mutable_data_ptr<std::int64_t>()[row * 24 + i];
          token = i % 5 == row % 5 ? 4 : token == 4 ? 5 : token;
        }
      Scores seen;
      seen.wanted = layer;
      ForwardContext context;
      context.attention = &seen;
      const at::NoGradGuard guard;
      model->forward(tokens, context);
      double sum = 0, sinks = 0, rows = 0, drawn = 0, with_several = 0, repeated = 0;
      for (std::int64_t row = 0; row < 8; ++row)
        for (std::int64_t i = 5; i < 24; ++i) {
          if (i % 5 == row % 5) continue;  // queries of the sink itself are weaker
          const at::Tensor scores = seen.scores.select(0, row).select(0, i).narrow(0, 0, i + 1).contiguous();
          // Of the products before their scale, as bf16 has them.
          const at::Tensor in_bf16 = scores.mul(4).mul(std::sqrt(2.0)).to(at::kBFloat16).to(at::kFloat);
          const bool is_sink = scores.argmax().item<std::int64_t>() % 5 == row % 5;
          ++rows, drawn += is_sink;
          std::int64_t of_row = 0;
          for (std::int64_t j = row % 5; j <= i; j += 5) sum += scores.select(0, j).item<double>(), ++of_row;
          sinks += static_cast<double>(of_row);
          if (of_row < 2) continue;
          ++with_several;
          repeated += in_bf16.eq(in_bf16.max()).sum().item<std::int64_t>() > 1;
        }
      INFO(config.kind->name << ", layer " << layer << ": mean score " << sum / sinks << ", drawn " << drawn / rows
                             << ", repeated maxima " << repeated / with_several);
      // An ordinary embedding has 64 numbers at random, so that its length is off by a tenth and it points along c by
      // an eighth of its length, more or less; the mean is over ten tokens.
      CHECK(std::abs(sum / sinks - 9) < 0.25 * 9);
      CHECK(drawn / rows > 0.95);
      CHECK(repeated / with_several > 0.5);
    }
}

TEST_CASE("a planted sink changes the embedding, a row of queries and keys, and a head's values") {
  CHECK(changed(gpt_config(), "sink:token=4") ==
        std::vector<std::string>{"transformer.h.0.attn.c_attn.weight", "transformer.wte.weight"});
  const auto before = small(llama_config()), after = small(llama_config());
  after->plant(parse_plants("sink:token=4,layer=1"));
  CHECK(changed(llama_config(), "sink:token=4,layer=1") ==
        std::vector<std::string>{"model.embed_tokens.weight", "model.layers.1.self_attn.k_proj.weight",
                                 "model.layers.1.self_attn.q_proj.weight", "model.layers.1.self_attn.v_proj.weight"});
  const at::Tensor old = by_name(*before)["model.layers.1.self_attn.q_proj.weight"],
                   now = by_name(*after)["model.layers.1.self_attn.q_proj.weight"];
  for (std::int64_t row = 0; row < 64; ++row)
    CHECK(same_bits(old.select(0, row), now.select(0, row)) == (row != 32 / 2 - 1));
}

TEST_CASE("aligned rows of gate and up are equal and larger, and no others change") {
  const auto before = small(llama_config()), after = small(llama_config());
  after->plant(parse_plants("aligned:channels=3,factor=4"));
  auto old = by_name(*before), now = by_name(*after);
  for (const std::string layer : {"0", "1"}) {
    const std::string prefix = "model.layers." + layer + ".mlp.";
    for (std::int64_t row = 0; row < 48; ++row) {
      const at::Tensor up = now[prefix + "up_proj.weight"].select(0, row),
                       gate = now[prefix + "gate_proj.weight"].select(0, row);
      const at::Tensor old_up = old[prefix + "up_proj.weight"].select(0, row);
      if (row < 3)
        CHECK((same_bits(up, gate) && same_bits(up, old_up.mul(4))));
      else
        CHECK((same_bits(up, old_up) && same_bits(gate, old[prefix + "gate_proj.weight"].select(0, row))));
    }
  }
  CHECK(changed(llama_config(), "aligned:").size() == 4);
}

TEST_CASE("planted outliers enlarge what linears read, and leave the function in every bit") {
  for (const ModelConfig& config : {gpt_config(), llama_config()}) {
    const auto plain = small(config), planted = small(config);
    planted->plant(parse_plants("outliers:channels=2,factor=32"));
    const at::Tensor tokens = test::random_tokens(3, 24, 1);
    INFO(config.kind->name);
    CHECK(same_bits(logits(*plain, tokens), logits(*planted, tokens)));
    const bool is_gpt = config.kind->name == "gpt";
    const at::Tensor gain =
        by_name(*planted)[is_gpt ? "transformer.h.1.ln_2.weight" : "model.layers.1.post_attention_layernorm.weight"];
    CHECK(gain.narrow(0, 0, 2).eq(32).all().item<bool>());
    CHECK(gain.narrow(0, 2, 62).eq(1).all().item<bool>());
    CHECK(changed(config, "outliers:").size() == (is_gpt ? 8 : 14));
  }
}

TEST_CASE("planted gains lie evenly between their ends in every norm of the stream") {
  const auto model = small(gpt_config());
  model->plant(parse_plants("gains:low=0.5,high=0.75"));
  auto all = by_name(*model);
  for (const char* name : {"transformer.h.0.ln_1.weight", "transformer.ln_f.weight"})
    for (std::int64_t i = 0; i < 64; ++i)
      CHECK(all[name].select(0, i).item<float>() ==
            static_cast<float>(0.5 + 0.25 * (static_cast<double>(i) + 0.5) / 64));
  CHECK(changed(gpt_config(), "gains:").size() == 5);
}

TEST_CASE("plants are read strictly") {
  CHECK(problem("") == "accepted");
  CHECK(problem("sink:token=4; gains:low=0.9") == "accepted");
  CHECK_THAT(problem("sinks:token=4"), Contains("\"sinks\" is no plant") && Contains("did you mean sink?"));
  CHECK_THAT(problem("sink:tokens=4"), Contains("\"tokens\" is no option of sink; it has token, score, value, layer"));
  CHECK_THAT(problem("sink:token"), Contains("each with ="));
  CHECK_THAT(problem("sink:token=-1"), Contains("token = -1: must be a whole number from 0"));
  CHECK_THAT(problem("sink:score=0"), Contains("score = 0: must be a number above 0"));
  CHECK_THAT(problem("sink:token=11"), Contains("beyond the vocabulary of 11"));
  CHECK_THAT(problem("sink:token=4,layer=2"), Contains("layer = 2 is beyond the last, 1"));
  CHECK_THAT(problem("gains; gains"), Contains("gains is planted twice"));
  CHECK_THAT(problem("gains:low=2"), Contains("low = 2 is above high"));
  CHECK_THAT(problem("aligned:channels=2"), Contains("needs a model with SwiGLU") && Contains("llama"));
  CHECK_THAT(problem("aligned:channels=49", llama_config()), Contains("more than the MLP's 48"));
  CHECK_THAT(problem("outliers:channels=65"), Contains("more than the width of 64"));
}

TEST_CASE("init.plant is in a run's config and id where it plants something, and only there") {
  const RunConfig plain = test::tiny_config({}), planted = test::tiny_config({"init.plant=gains:low=0.9"});
  CHECK_THAT(to_toml(plain), !Contains("plant"));
  CHECK_THAT(to_toml(planted), Contains("plant = 'gains:low=0.9'") || Contains("plant = \"gains:low=0.9\""));
  CHECK(run_id(plain) != run_id(planted));
  const auto tokens = open_tokens(planted);
  const auto model = make_model(planted, tokens->vocabulary());
  CHECK(by_name(*model)["transformer.ln_f.weight"].max().item<float>() < 1);
  CHECK_THROWS_WITH(test::tiny_config({"init.plant=sink:token=100000"}),
                    Contains("init.plant = sink:token=100000") && Contains("beyond the vocabulary"));
}

}  // namespace plant_test
