// SPDX-License-Identifier: Apache-2.0
// Recipes: named, complete and cited choices of a quantizer for every slot of every matmul. recipe_table.cpp lists
// them, `precipice recipes` and docs/RECIPES.md print it. A recipe takes options in one spelling everywhere:
//   mxfp8:rule=rceil,element=e5m2,arithmetic=microxcaling
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "precision/policy/element_precision.h"
#include "precision/policy/policy.h"
#include "precision/scaling/quantizer_settings.h"
#include "train/config/run_config.h"

namespace precipice {

// What a recipe does at the linears, and at the two kinds of sites beside them. Rules change sites alone; storage and
// loss scaling belong to the recipe of the run.
template <class Operand>
struct RecipeChoiceOf {
  SitePrecisionOf<Operand> linear, attention, lm_head;
  ElementPrecisionOf<Operand> elements{};  // what happens between the matmuls
  StateConfig state{};                     // how weights, moments and gradients are kept
  LossScaleConfig loss_scale{};
};
using RecipeChoice = RecipeChoiceOf<Quantizer>;
// The same while options, keys and rules still change it (quantizer_settings.h).
using RecipeSettings = RecipeChoiceOf<QuantizerSettings>;

// The hardware that a recipe is for, whose units `accumulator=native` means.
struct NativeUnit {
  Hardware hardware = Hardware::Unknown;
  bool fast_fprop = false;  // its library promotes FP8's register in the backward pass alone
};
// `native` of no hardware becomes that of this; others stay.
Accumulator named_accumulator(const Accumulator& accumulator, const NativeUnit& native, Pass pass);

struct RecipeOption {
  std::string name;
  std::string help;  // values, and the default in words
};

using RecipeOptionValues = std::map<std::string, std::string>;

struct Recipe {
  std::string name;
  std::string citation;
  std::string summary;
  std::vector<RecipeOption> options;
  std::function<RecipeSettings(const RecipeOptionValues&)> make;
  std::string notes{};  // where the published system differs, or its sources are silent; empty: nothing known
  std::vector<std::string> aliases{};  // other names of the same recipe
  NativeUnit native{};
};
const std::vector<Recipe>& recipes();
std::vector<std::string> recipe_names();

// "name" or "name:option=value,...". Throws ConfigError: unknown recipe (nearest suggested), an option that the recipe
// does not have (those that it has are listed), or a value that it cannot take.
RecipeChoice make_recipe(std::string_view text);
const Recipe& find_recipe(std::string_view name);
// "mxfp8" of "mxfp8:rule=rceil".
std::string_view recipe_name(std::string_view text);
// The one spelling of a recipe, which configs keep, so that equal runs have one id: lower case, te-current as fp8,
// mxfp8-rceil as mxfp8:rule=rceil. Throws ConfigError for an unknown name.
std::string canonical_recipe(std::string_view text);

// The recipe of the config with the hand-set keys and the rules applied, for the sites of the model and each range of
// steps in which it stands still. Throws ConfigError naming the key.
PrecisionSchedule make_schedule(const PrecisionConfig& config, const ModelConfig& model, std::int64_t steps);
// The same at step 0.
PrecisionPolicy make_policy(const PrecisionConfig& config, const ModelConfig& model);
PrecisionPolicy make_policy(const PrecisionConfig& config, std::int64_t layers);  // of a GPT

}  // namespace precipice
