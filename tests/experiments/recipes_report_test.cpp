// SPDX-License-Identifier: Apache-2.0
#include "experiments/recipes_report.h"

#include "precision/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "train/recipes.h"

using namespace precipice;
using Catch::Contains;

TEST_CASE("docs/RECIPES.md begins with what the table of recipes says") {
  const std::string file = text_of(std::string(PRECIPICE_SOURCE_DIR) + "/docs/RECIPES.md");
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
}
