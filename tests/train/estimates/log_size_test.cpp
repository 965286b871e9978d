// SPDX-License-Identifier: Apache-2.0
#include "train/estimates/log_size.h"

#include "tests/support/catch.h"
#include "tests/support/tiny_run.h"
#include "train/data/open_tokens.h"
#include "train/data/tokens.h"
#include "train/run/trainer.h"

using namespace precipice;
using test::tiny_config;

TEST_CASE("what a run logs is known from its config as the trainer declares it") {
  const std::vector<std::vector<std::string>> variants = {
      {},
      {"model.bias=true", "model.qk_norm=layernorm", "metrics.epsilons=[1e-3,1e-2,1e-1]"},
      {"model.tied_head=false", "model.layers=3", "model.heads=4"},
      {"model.kind=llama", "model.kv_heads=1"},
      {"model.kind=llama", "model.tied_head=true", "model.qk_norm=rmsnorm"},
      {"metrics.lbfgs_every=1", "metrics.lbfgs_subspace=8", "metrics.histograms_every=1"}};
  for (const auto& assignments : variants) {
    const RunConfig config = tiny_config(assignments);
    const auto tokens = open_tokens(config);
    const std::vector<SeriesGroup> groups = Trainer(config, *tokens).groups();
    const std::vector<LoggedGroup> logged = logged_groups(config);
    REQUIRE(groups.size() == logged.size());
    for (std::size_t i = 0; i < groups.size(); ++i) {
      CAPTURE(groups[i].name, assignments);
      CHECK(logged[i].name == groups[i].name);
      CHECK(logged[i].row_width == groups[i].row_width());
    }
  }
}

TEST_CASE("rows of a log are as many as its intervals have steps") {
  const auto rows = [](const RunConfig& config, const std::string& name) {
    for (const LoggedGroup& group : logged_groups(config))
      if (group.name == name) return group.rows;
    return -1.0;
  };
  const RunConfig config = tiny_config({"train.steps=100", "metrics.tensors_every=50", "metrics.sam_every=0"});
  CHECK(rows(config, "metrics") == 100);
  CHECK(rows(config, "tensors") == 3);  // one more than there will be
  CHECK(rows(config, "sam") == 0);
}
