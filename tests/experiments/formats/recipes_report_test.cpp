// SPDX-License-Identifier: Apache-2.0
#include "experiments/formats/recipes_report.h"

#include "precision/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/paths.h"
#include "train/recipes/recipes.h"
#include "train/recipes/resolved_run.h"
#include "train/run/resolve_config.h"

using namespace precipice;
using Catch::Contains;

TEST_CASE("docs/RECIPES.md begins with what the table of recipes says") {
  const std::string file = text_of(source_directory() + "/docs/RECIPES.md");
  CHECK(file.substr(0, recipes_reference().size()) == recipes_reference());
}

TEST_CASE("the list names every recipe, and a recipe's table its slots, source and options") {
  for (const Recipe& recipe : recipes())
    CHECK(contains(recipes_list(), "\n" + recipe.name + " ") != (&recipe == &recipes()[0]));
  const std::string table = recipe_table("nvfp4:rht=false,dy_rounding=rne");
  CHECK_THAT(table,
             Contains("arXiv 2509.25149") && Contains("dgrad dy  e2m1 rne saturate") && Contains("four_over_six"));
  CHECK_THAT(table, !Contains("Hadamard transform, te"));
  CHECK_THAT(recipe_table("mxfp8"),
             Contains("rceil scale per 1x32 block, te") && Contains("LM head\n  fprop x   bf16"));
  CHECK_THROWS_AS(recipe_table("mxfp8:rule=up"), ConfigError);
  // The summary of mxfp8 speaks of E4M3.
  CHECK_THAT(recipe_table("mxfp8:element=e5m2,dy_rounding=sr"),
             Catch::StartsWith("mxfp8:element=e5m2,dy_rounding=sr: linears: x e5m2 rne ") && Contains("; dy e5m2 sr "));
}

TEST_CASE("the plan of a run shows what stands where in which steps") {
  const RunConfig config =
      resolve_config({parse_assignment("precision.recipe=mxfp8"), parse_assignment("train.steps=100"),
                      parse_assignment("precision.rules=steps=:10 -> bf16; lm_head -> high")});
  const std::string plan = precision_plan(config);
  CHECK_THAT(plan, Contains("mxfp8, steps 0 to 9\n") && Contains("mxfp8, steps 10 to 99\n"));
  CHECK_THAT(plan, Contains("\n  lm_head\n    all operands fp32; accumulated in fp32"));
  CHECK_THAT(plan, Contains("  h.0.attn.qkv h.0.attn.proj h.0.mlp.up h.0.mlp.down h.1.attn.qkv"));
  CHECK_THAT(plan, Contains("rceil scale per 1x32 block, te"));
}
