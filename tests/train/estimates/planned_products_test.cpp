// SPDX-License-Identifier: Apache-2.0
// What a plan says of a step's products against those that a step's forward and backward pass made.
#include "train/estimates/planned_products.h"

#include <map>

#include "precision/gemm/onednn.h"
#include "tests/support/catch.h"
#include "tests/support/tiny_run.h"
#include "train/data/open_tokens.h"
#include "train/model/forward_pass.h"
#include "train/recipes/recipes.h"
#include "train/run/model_weights.h"

using namespace precipice;

namespace {

// Blocks of 32 and of 128 are shorter than what some products sum over, and longer than what others do.
RunConfig config_of(const std::vector<std::string>& words) {
  std::vector<std::string> all{"model.width=64", "model.context=64", "train.batch=2", "metrics.tensors_every=0",
                               "model.heads=2"};
  all.insert(all.end(), words.begin(), words.end());
  return test::tiny_config(all);
}

PrecisionPolicy policy_of(const RunConfig& config) {
  return make_schedule(config.precision, config.model, config.train.steps).at_step(0);
}

class ProductLog : public ProductObserver {
 public:
  void multiply(std::size_t site, Pass pass, const ProductKind& kind) override {
    made[{site, static_cast<std::size_t>(pass)}].push_back(kind);
  }
  std::map<std::pair<std::size_t, std::size_t>, std::vector<ProductKind>> made;
};

ProductLog products_of_a_step(const RunConfig& config) {
  const auto tokens = open_tokens(config);
  const auto model = make_model(config, tokens->vocabulary());
  ScaleStates scales;
  ProductLog log;
  ForwardContext context{static_cast<std::uint64_t>(*config.precision.seed)};
  context.scales = &scales;
  context.products = &log;
  forward_pass(*model, config, tokens->training_batch(0), context).objective.backward();
  return log;
}

}  // namespace

TEST_CASE("each product of a step is of the kind that its plan says") {
  const std::vector<std::string> words = GENERATE(values<std::vector<std::string>>(
      {{"precision.recipe=fp32"},
       {"precision.recipe=bf16"},
       {"precision.recipe=fp8"},
       {"precision.recipe=fp8-all"},
       {"precision.recipe=fp8-all", "model.kind=llama"},
       {"precision.recipe=te-delayed", "model.kv_heads=1"},
       {"precision.recipe=te-block"},
       {"precision.recipe=mxfp8", "model.kind=llama"},
       {"precision.recipe=mxfp4"},
       {"precision.recipe=bfp"},
       {"precision.recipe=nvfp4"},
       {"precision.recipe=torchao-rowwise"},
       {"precision.recipe=deepseek-v3"},
       {"precision.recipe=int8"},
       {"precision.recipe=fp16-o1"},
       {"precision.recipe=fp8", "precision.carrier=fp32"},
       {"precision.recipe=fp8", "precision.accumulator=hopper"},
       {"precision.recipe=mxfp8:scales=operand"},
       {"precision.recipe=fp8", "precision.rules=layers=0 -> high"},
       {"precision.recipe=bf16", "precision.softmax=bf16"},
       {"precision.recipe=bf16", "precision.rules=attn.pv -> flash=true"},
       {"precision.recipe=bf16", "model.kv_heads=1", "precision.rules=attn.pv -> flash=true flash_block=32"}}));
  // Of 64 keys, where attention does not go head by head.
  const std::size_t blocks = words.back().ends_with("flash_block=32") ? 2 : 1;
  const RunConfig config = config_of(words);
  const std::vector<SiteProducts> planned = planned_products(config, policy_of(config));
  const ProductLog log = products_of_a_step(config);
  for (std::size_t site = 0; site < planned.size(); ++site)
    for (const Pass pass : kAllPasses) {
      const auto place = static_cast<std::size_t>(pass);
      const auto found = log.made.find({site, place});
      CAPTURE(words, policy_of(config).site_names()[site], place, describe(planned[site][place]));
      REQUIRE(found != log.made.end());
      const bool is_in_blocks = pass == Pass::Fprop && policy_of(config).at(site).flash.is_on;
      CHECK(found->second.size() == (is_in_blocks ? blocks : 1));
      for (const ProductKind& made : found->second) {
        INFO("made: " << describe(made));
        CHECK((made == planned[site][place]));
      }
    }
  CHECK(log.made.size() == 3 * planned.size());
}

TEST_CASE("a plan names sites by their kind, those that differ between layers one by one") {
  const std::string type = has_bf16_instructions() ? "bf16" : "fp32";
  const auto text = [](const std::vector<std::string>& words) {
    const RunConfig config = config_of(words);
    return describe_products(config, policy_of(config), "  ");
  };
  CHECK(text({"precision.recipe=fp8-all", "precision.accumulator=hopper"}) ==
        "  attn.qkv attn.qk attn.pv attn.proj mlp.up mlp.down lm_head: emulated accumulator\n");
  const std::string ruled = text({"precision.recipe=fp8-all", "precision.rules=layers=1 pass=wgrad -> scales=operand"});
  CHECK_THAT(ruled,
             Catch::Contains("  h.0.attn.qkv h.0.attn.qk h.0.attn.pv h.0.attn.proj h.0.mlp.up h.0.mlp.down lm_head: " +
                             type + "\n"));
  CHECK_THAT(ruled,
             Catch::Contains("  h.1.attn.qkv h.1.attn.qk h.1.attn.pv h.1.attn.proj h.1.mlp.up h.1.mlp.down: fprop " +
                             type + "; dgrad " + type + "; wgrad fp32, dequantized operands\n"));
}
