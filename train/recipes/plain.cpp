// SPDX-License-Identifier: Apache-2.0
// Recipes without scales: full precision, tf32, bf16 and fp16 operands, and what is set by hand.
#include "train/recipes/recipe_parts.h"

namespace precipice::recipe_parts {

void add_plain(std::vector<Recipe>& table) {
  table.push_back(with_options("fp32", "IEEE 754-2019", "nothing is rounded", {}, [] { return RecipeSettings{}; }));
  table.push_back(with_options("custom", "", "fp32, to be changed by precision.x, precision.w, ... and rules", {},
                               [] { return RecipeSettings{}; }));
  table.push_back(with_options("tf32", "NVIDIA A100 white paper, 2020", "operands in tf32, fp32 results", {},
                               [] { return everywhere(same(unscaled("tf32"), {})); }));
  table.push_back(with_options(
      "bf16", "PyTorch autocast",
      "operands and results of every matmul in bf16; residual stream, norms and softmax in fp32, and what autocast "
      "keeps in bf16 between them is rounded where the next matmul reads it",
      {}, [] { return everywhere(bf16_site()); }));
  table.back().aliases = {"bf16-autocast"};
  table.push_back(
      with_options("fp16", "IEEE 754-2019", "operands and results of every matmul in fp16, no loss scaling", {}, [] {
        GemmArithmetic arithmetic;
        arithmetic.output = unscaled("fp16");
        return everywhere(same(unscaled("fp16"), arithmetic));
      }));
}

}  // namespace precipice::recipe_parts
