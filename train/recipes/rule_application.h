// SPDX-License-Identifier: Apache-2.0
// What the rules of precision/policy/precision_rules.h do: recipes and fields put into the sites that they select.
// Fields are those of precision.* by hand (format rounding overflow random_bits scaling power_of_two), every option of
// a recipe that changes quantizers by itself, accumulator and scales of the GEMM, and those of flash attention at attn.pv.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "precision/policy/precision_rules.h"
#include "train/recipes/recipe_settings.h"

namespace precipice {

// One field of a quantizer by name; false where the quantizer has nothing that it could change. Throws ConfigError.
bool set_field(QuantizerSettings& quantizer, const std::string& name, const std::string& value);
// `kind`: one of kScalings.
void set_scaling(QuantizerSettings& quantizer, ScaleKind kind, double fixed_scale);

// What a recipe does at a kind of site of this policy's model. Throws ConfigError where it cannot be done there.
SiteSettings site_of(const RecipeSettings& choice, SiteKind kind, const PrecisionPolicy& policy);

struct ParsedRule {
  PrecisionRule rule;
  std::optional<RecipeSettings> recipe;
};
// Throws ConfigError naming the rule.
std::vector<ParsedRule> read_rules(const std::string& text);

// Returns whether the rule selected anything. Throws ConfigError naming the rule.
bool apply_rule(const ParsedRule& parsed, PolicySettings& policy);

}  // namespace precipice
