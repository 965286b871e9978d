// SPDX-License-Identifier: Apache-2.0
// What is refused before a run starts is what the run's own products would refuse, and nothing else.
#include "train/recipes/operand_shapes.h"

#include "precision/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/tiny_run.h"
#include "train/data/open_tokens.h"
#include "train/recipes/recipes.h"
#include "train/run/trainer.h"

using namespace precipice;
using Catch::Contains;

namespace {

const std::string kTorchao = "precision.recipe=nvfp4:arithmetic=torchao";  // 16 elements share a scale, and no fewer

std::vector<std::string> shared_keys(const char* width, const char* heads, const char* key_heads) {
  return {std::string("model.width=") + width, std::string("model.heads=") + heads,
          std::string("model.kv_heads=") + key_heads};
}

RunConfig with(std::vector<std::string> assignments, const std::string& last) {
  assignments.push_back(last);
  return test::tiny_config(assignments);
}

// What a training step says, with the precision put in behind the check of configs; "" where it goes through.
std::string problem_of_a_step(const std::vector<std::string>& assignments, const std::string& recipe) {
  RunConfig config = test::tiny_config(assignments);
  config.precision.recipe = recipe.substr(recipe.find('=') + 1);
  const auto tokens = open_tokens(config);
  try {
    Trainer(config, *tokens).step();
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a GPT whose keys are too few for the blocks of its recipe is refused before its first step") {
  // Queries, keys and values have 32 + 2 * 4 = 40 columns, two and a half blocks.
  const std::vector<std::string> forty = shared_keys("32", "8", "1");
  CHECK_THROWS_WITH(with(forty, kTorchao), Contains("attn.qkv") && Contains("precision.recipe"));
  CHECK(problem_of_a_step(forty, kTorchao) != "");
  // 32 + 2 * 8 = 48 are three.
  CHECK_NOTHROW(with(shared_keys("32", "8", "2"), kTorchao));
}

TEST_CASE("a GPT whose shared keys fill the blocks of its recipe is trained") {
  // 24 + 2 * 4 = 32 columns; with a key head for each query head there would be 72.
  const std::string rule = "precision.rules=attn.qkv pass=dgrad -> nvfp4:arithmetic=torchao";
  const RunConfig config = with(shared_keys("24", "6", "1"), rule);
  const auto tokens = open_tokens(config);
  CHECK_NOTHROW(Trainer(config, *tokens).step());
  CHECK_THROWS_WITH(with(shared_keys("24", "6", "6"), rule), Contains("attn.qkv"));
}

TEST_CASE("a config is refused for the shapes of its products exactly where a training step would be") {
  int refused = 0, accepted = 0;
  for (const char* kind : {"model.kind=gpt", "model.kind=llama"})
    for (const char* width : {"32", "48", "64"})
      for (const char* key_heads : {"1", "2", "4", "8"}) {
        std::vector<std::string> assignments = shared_keys(width, "8", key_heads);
        assignments.insert(assignments.end(), {kind, "model.layers=1", "model.hidden=64", "data.vocabulary=32"});
        CAPTURE(assignments);
        std::string before;
        try {
          with(assignments, kTorchao);
        } catch (const ConfigError& error) {
          before = error.what();
        }
        CHECK(before.empty() == problem_of_a_step(assignments, kTorchao).empty());
        ++(before.empty() ? accepted : refused);
      }
  CHECK(refused > 4);
  CHECK(accepted > 4);
}
