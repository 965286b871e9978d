// SPDX-License-Identifier: Apache-2.0
// Configs are compared by what they mean, and what differs is named with both values.
#include "train/run/config_difference.h"

#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "train/run/resolve_config.h"

using namespace precipice;

namespace {

RunConfig config_from(const std::string& toml) {
  return resolve_config(parse_settings(toml, "run.toml"));
}

std::string difference(const std::string& there, const std::string& here) {
  return describe(config_differences(config_from(there), config_from(here)));
}

}  // namespace

TEST_CASE("configs that mean the same do not differ", "[config_difference]") {
  CHECK(difference("train.steps = 60\nseed = 3", "seed = 3 # the third\ndata.seed = 3\n\n[train]\nsteps = 60").empty());
  CHECK(difference("", "model.layers = 2").empty());
  CHECK(difference("optimizer.weight_decay = 1", "optimizer.weight_decay = 1.0").empty());
}

TEST_CASE("a key that differs is named with both values", "[config_difference]") {
  CHECK(difference("train.steps = 30", "train.steps = 60") == "train.steps is 30 there and 60 here");
  CHECK(difference("data.source = 'text'\ndata.path = 'a'", "data.source = 'text'\ndata.path = 'b'") ==
        "data.path is 'a' there and 'b' here");
  CHECK(difference("metrics.epsilons = [1e-3]", "metrics.epsilons = [1e-3, 1e-4]") ==
        "metrics.epsilons is [0.001] there and [0.001, 0.0001] here");
}

TEST_CASE("a key that is not written at its default is named with it", "[config_difference]") {
  CHECK(difference("", "metrics.hessian_every = 5") == "metrics.hessian_every is 0 there and 5 here");
  CHECK(difference("train.keep_checkpoints = [5]", "") == "train.keep_checkpoints is [5] there and [] here");
}

TEST_CASE("keys that follow another one are named only where they do not follow it", "[config_difference]") {
  CHECK(difference("seed = 1", "seed = 2") == "seed is 1 there and 2 here");
  CHECK(difference("seed = 1", "seed = 1\ndata.seed = 7") == "data.seed is 1 there and 7 here");
  CHECK(difference("precision.recipe = 'bf16'", "precision.recipe = 'mxfp8'") ==
        "precision.recipe is 'bf16' there and 'mxfp8' here");
}

TEST_CASE("many differences are counted, not listed without end", "[config_difference]") {
  const std::string text = difference("",
                                      "seed = 9\ntrain.steps = 9\ntrain.batch = 9\nmodel.layers = 9\n"
                                      "model.context = 9\ndata.tokens = 9999\ndata.language_seed = 9\n"
                                      "train.eval_every = 9\ntrain.eval_batches = 9\nmetrics.tensors_every = 9");
  CHECK(contains(text, ", and 2 more keys differ"));
}
