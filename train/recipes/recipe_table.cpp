// SPDX-License-Identifier: Apache-2.0
// The recipes, in the order in which they are listed. Each vendor's or paper's are a file of their own; formulas,
// operation by operation, are in precision/scaling/scale_rules.h: what the files say is which tensor gets which quantizer
// in which GEMM, and how weights and moments are kept.
#include "train/recipes/recipe_parts.h"

namespace precipice {
namespace {

using namespace recipe_parts;

// The option "everywhere" of every recipe that leaves attention products and LM head in something else.
void add_everywhere(Recipe& recipe) {
  const RecipeSettings plain = recipe.make({});
  if (plain.attention == plain.linear && plain.lm_head == plain.linear) return;
  recipe.options.push_back(options({"everywhere"}).front());
  recipe.make = [make = recipe.make](const Values& values) {
    RecipeSettings choice = make(values);
    const auto given = values.find("everywhere");
    if (given != values.end() && parse_flag("everywhere", given->second))
      choice.attention = choice.lm_head = choice.linear;
    return choice;
  };
}

// Whose hardware a recipe was published for, and whether its library's fprop runs without promotion: TransformerEngine's
// use_split_accumulator (False in fprop but for Float8BlockScaling), torchao's use_fast_accum, MS-AMP's.
struct OfHardware {
  const char* prefix;  // of recipes' names
  NativeUnit native;
};
constexpr OfHardware kHardwareOf[] = {{"fp8", {Hardware::Hopper, true}},       {"te-delayed", {Hardware::Hopper, true}},
                                      {"te-block", {Hardware::Hopper, false}}, {"torchao-", {Hardware::Hopper, true}},
                                      {"deepseek", {Hardware::Hopper, false}}, {"ms-amp", {Hardware::Hopper, true}},
                                      {"mxfp", {Hardware::Blackwell, false}},  {"mx-", {Hardware::Blackwell, false}},
                                      {"nvfp4", {Hardware::Blackwell, false}}, {"bf16", {Hardware::Ampere, false}},
                                      {"tf32", {Hardware::Ampere, false}},     {"fp16", {Hardware::Ampere, false}}};

void set_hardware(Recipe& recipe) {
  for (const auto& [prefix, native] : kHardwareOf)
    if (recipe.name.rfind(prefix, 0) == 0 && recipe.name != "fp8-sim-2022") recipe.native = native;
}

}  // namespace

const std::vector<Recipe>& recipes() {
  static const std::vector<Recipe> table = [] {
    std::vector<Recipe> all;
    for (const auto add : {add_plain, add_masks, add_transformer_engine, add_mx, add_nvfp4, add_torchao, add_papers,
                           add_apex, add_bf16_pure, add_ms_amp})
      add(all);
    for (Recipe& recipe : all) add_everywhere(recipe), set_hardware(recipe);
    return all;
  }();
  return table;
}

}  // namespace precipice
