// SPDX-License-Identifier: Apache-2.0
// The tables of architectures, and one that this file alone adds: what it takes to train a new one.
#include "train/model/architectures.h"

#include <ATen/ops/tanh.h>

#include <algorithm>
#include <cmath>

#include "precision/base/check.h"
#include "tests/support/tiny_run.h"
#include "tests/train/model/model_support.h"
#include "train/config/model_shapes.h"
#include "train/data/open_tokens.h"
#include "train/estimates/log_size.h"
#include "train/estimates/memory_estimate.h"
#include "train/run/model_attributes.h"
#include "train/run/trainer.h"

using namespace precipice;
using Catch::Contains;
using test::kVocabulary;
using test::random_tokens;
using test::tiny;
using test::tiny_config;

namespace {

// A toy: RMSNorm, learned positions, and an MLP with tanh of three times the width.

std::vector<BlockLinear> toy_linears(const ModelConfig& m) {
  return {{SiteKind::AttnQkv, "mix.in", m.width + 2 * m.key_width(), m.width},
          {SiteKind::AttnProj, "mix.out", m.width, m.width},
          {SiteKind::MlpUp, "mlp.in", m.mlp_width(), m.width},
          {SiteKind::MlpDown, "mlp.out", m.width, m.mlp_width()}};
}

void check_toy(const ModelConfig& model) {
  if (model.heads > 4) throw ConfigError({"", 0, "model.heads", std::to_string(model.heads)}, "a toy has at most 4");
}

Architecture toy_architecture() {
  return {.name = "toy",
          .summary = "RMSNorm, learned positions, tanh, no biases",
          .norm = NormKind::Rms,
          .positions = Positions::Learned,
          .activation = "tanh",
          .has_biases = false,
          .tied_head = true,
          .hidden = [](std::int64_t width) { return 3 * width; },
          .hidden_help = "3 width",
          .block_sites = kBlockSites,
          .linears = toy_linears,
          .check = check_toy};
}

class Toy : public Model {
 public:
  Toy(const ModelConfig& config, const InitConfig& init, std::int64_t vocabulary, PrecisionSchedule schedule)
      : Model(config, vocabulary, std::move(schedule)) {
    add_embedding("tokens.weight", 0.3);
    position_embedding_ = add_parameter("positions.weight", {config.context, config.width}, 0.3, 0);
    for (std::int64_t layer = 0; layer < config.layers; ++layer) {
      const std::string prefix = "blocks." + std::to_string(layer) + ".";
      Block block;
      add_stream_norm(prefix + "norm1");
      block.in = add_linear(prefix, "mix.in", 0.3);
      block.q_norm = add_qk_norm(prefix + "q_norm");
      block.k_norm = add_qk_norm(prefix + "k_norm");
      block.out = add_linear(prefix, "mix.out", 0.3);
      add_stream_norm(prefix + "norm2");
      block.up = add_linear(prefix, "mlp.in", 0.3);
      block.down = add_linear(prefix, "mlp.out", 0.3);
      blocks_.push_back(block);
    }
    add_final_norm("norm");
    add_head(0.3);
    initialise(init);
  }
  std::pair<at::Tensor, at::Tensor> query_and_key_weights(std::int64_t layer) const override {
    const at::Tensor& weight = blocks_[static_cast<std::size_t>(layer)].in.weight;
    return {weight.slice(0, 0, config_.width), weight.slice(0, config_.width, config_.width + config_.key_width())};
  }

 private:
  struct Block {
    Norm q_norm, k_norm;
    Linear in, out, up, down;
  };
  at::Tensor attend(const at::Tensor& x, std::int64_t layer, const ForwardContext& context) const override {
    const Block& block = blocks_[static_cast<std::size_t>(layer)];
    const at::Tensor qkv = linear(x, block.in, SiteKind::AttnQkv, layer, context);
    return linear(attention(qkv, {block.q_norm, block.k_norm}, layer, context), block.out, SiteKind::AttnProj, layer,
                  context);
  }
  at::Tensor mlp(const at::Tensor& x, std::int64_t layer, const ForwardContext& context) const override {
    const Block& block = blocks_[static_cast<std::size_t>(layer)];
    const at::Tensor up = linear(x, block.up, SiteKind::MlpUp, layer, context);
    return linear(at::tanh(up), block.down, SiteKind::MlpDown, layer, context);
  }
  std::vector<Block> blocks_;
};

std::unique_ptr<Model> make_toy(const ModelConfig& config, const InitConfig& init, std::int64_t vocabulary,
                                PrecisionSchedule schedule) {
  return std::make_unique<Toy>(config, init, vocabulary, std::move(schedule));
}

std::string reason(const std::vector<std::string>& assignments) {
  try {
    tiny_config(assignments);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

std::vector<ModelConfig> variants_of(const Architecture& architecture) {
  std::vector<ModelConfig> variants;
  for (const bool more : {false, true}) {
    ModelConfig config = test::tiny_llama_config();
    config.kind = &architecture;
    config.hidden.reset();
    config.tied_head = more;
    config.bias = more && architecture.has_biases;
    if (more) config.qk_norm = NormKind::Layer;
    variants.push_back(config);
  }
  return variants;
}

bool is_gain(const NamedParameter& parameter) {
  return parameter.value.dim() == 1 && parameter.name.ends_with(".weight");
}

void check_table(const Architecture& architecture) {
  for (const ModelConfig& config : variants_of(architecture)) {
    INFO(architecture.name << (config.qk_norm ? " with norms of heads" : ""));
    const auto model = tiny(config);
    const ParameterCount count = count_parameters(config, kVocabulary);
    const auto& parameters = model->parameters();
    CHECK(count.elements == model->num_parameters());
    CHECK(count.tensors == static_cast<std::int64_t>(parameters.size()));
    CHECK(count.gains == std::count_if(parameters.begin(), parameters.end(), is_gain));
    CHECK(std::ranges::equal(model->policy().block_sites(), architecture.block_sites));
    CHECK(model->policy().has_head() == architecture.predicts_tokens());
    if (!architecture.has_attention()) continue;
    const auto [q, k] = model->query_and_key_weights(1);
    CHECK(q.sizes() == at::IntArrayRef({config.width, config.width}));
    CHECK(k.sizes() == at::IntArrayRef({config.key_width(), config.width}));
  }
}

// The row's value of a series that its group has.
void append(std::vector<double>& values, const SeriesGroup& group, const SeriesRow& row, const std::string& series) {
  for (std::size_t i = 0; i < group.series.size(); ++i)
    if (group.series[i].name == series) values.push_back(row.values.at(i * group.width()));
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return a.sub(b).abs().max().item<double>();
}

}  // namespace

TEST_CASE("every architecture of the table has a model, whose parameters and sites are those that the table says") {
  CHECK(names_of_architectures([](const Architecture&) { return true; }) ==
        std::vector<std::string>{"gpt", "llama", "mlp"});
  for (const Architecture& architecture : architectures()) check_table(architecture);
  CHECK_THROWS_WITH(find_architecture("gtp"), Contains("model.kind") && Contains("gpt, llama, mlp"));
}

TEST_CASE("the plain operations give each architecture's logits, up to the order of sums") {
  for (const Architecture& architecture : architectures())
    for (const ModelConfig& config : variants_of(architecture)) {
      INFO(architecture.name << (config.qk_norm ? " with norms of heads" : ""));
      const auto model = tiny(config);
      const at::Tensor tokens =
          architecture.predicts_tokens() ? random_tokens(3, 6, 1) : test::random_tensor({18, 1, config.width}, 1);
      const at::Tensor own = model->forward(tokens, {}).detach();
      ForwardContext context;
      context.plain = true;
      // Logits of a few units, each a sum of some tens of terms.
      CHECK(largest_difference(model->forward(tokens, context).detach(), own) < 1e-5);
      CHECK(own.abs().max().item<double>() > 0.1);
    }
  PrecisionConfig precision;
  precision.vector = "bf16";
  ForwardContext context;
  context.plain = true;
  CHECK_THROWS_AS(tiny(test::tiny_llama_config(), precision)->forward(random_tokens(1, 6, 1), context), ContractError);
}

TEST_CASE("an architecture that a test adds trains, is counted, checked and described, and no other file knows it") {
  CHECK_THAT(reason({"model.kind=toy"}), Contains("must be one of gpt, llama, mlp"));
  {
    const AddedArchitecture added(toy_architecture(), make_toy);
    check_table(architectures().back());

    const RunConfig config = tiny_config({"model.kind=toy", "train.steps=2", "precision.recipe=fp8"});
    CHECK(config.model.mlp_width() == 48);
    CHECK(config.model.is_tied());
    CHECK_THAT(to_toml(config), Contains("kind = 'toy'"));
    const auto tokens = open_tokens(config);
    Trainer trainer(config, *tokens);
    const std::vector<SeriesGroup> groups = trainer.groups();
    std::vector<double> losses;
    for (int step = 0; step < 2; ++step)
      for (const SeriesRow& row : trainer.step()) append(losses, groups.at(row.group), row, "train_loss");
    REQUIRE(losses.size() == 2);
    CHECK(std::isfinite(losses[0]));
    CHECK(losses[1] != losses[0]);

    const std::vector<LoggedGroup> logged = logged_groups(config);
    REQUIRE(groups.size() == logged.size());
    for (std::size_t i = 0; i < groups.size(); ++i) CHECK(logged[i].row_width == groups[i].row_width());
    CHECK(estimate_memory(config, 0).bytes() > 4.0 * static_cast<double>(trainer.num_parameters()));
    const Attributes attributes = weights_attributes(config, 2);
    const auto said = [&](const std::string& name) {
      for (const auto& [attribute, value] : attributes)
        if (attribute == name) return to_text(value);
      return std::string("nothing");
    };
    CHECK(said("kind") == "toy");
    CHECK(said("positions") == "learned");
    CHECK(said("norm") == "rmsnorm");
    CHECK(said("activation") == "tanh");
    CHECK(said("rope_theta") == "nothing");

    CHECK_THAT(reason({"model.kind=toy", "model.heads=8"}), Contains("model.heads") && Contains("at most 4"));
    CHECK_THAT(reason({"model.kind=toy", "model.bias=true"}), Contains("model.kind = \"toy\" has no biases"));
    CHECK_THAT(reason({"model.kind=toy", "model.rope_theta=9"}), Contains("only model.kind = \"llama\" has rotary"));
    CHECK_THAT(reason({"model.kind=toy", "precision.recipe=intel-fp8:smooth_swiglu=token"}), Contains("\"llama\""));
    // 3 * 8 columns are no whole blocks of 16.
    CHECK_THAT(
        reason({"model.kind=toy", "model.width=8", "precision.rules=mlp.up pass=dgrad -> nvfp4:arithmetic=torchao"}),
        Contains("mlp.up, dgrad"));
    CHECK_THAT(config_reference(), Contains("toy: RMSNorm, learned positions, tanh") &&
                                       Contains("default: 4 width, llama: 8/3 width rounded up to a multiple of 32, "
                                                "toy: 3 width"));
    CHECK_THROWS_AS(AddedArchitecture(toy_architecture(), make_toy), ContractError);
  }
  CHECK_THAT(reason({"model.kind=toy"}), Contains("must be one of gpt, llama, mlp"));
}

TEST_CASE("gradients of an architecture that a test adds agree with central differences") {
  const AddedArchitecture added(toy_architecture(), make_toy);
  ModelConfig config = test::tiny_llama_config();
  config.kind = &architectures().back();
  config.norm_eps = 0.2;  // bounds the curvature of norms of few elements
  const auto model = tiny(config);
  const at::Tensor x = random_tokens(8, 6, 1), y = random_tokens(8, 6, 2).view({-1});
  test::check_gradients(*model, [&] { return cross_entropy(model->forward(x, {}).to(at::kDouble), y); });
}
