// SPDX-License-Identifier: Apache-2.0
// Recipes and policies while options, keys by hand and rules still change them, word by word; at the end each quantizer
// goes through the door of quantizer_settings.h once, and the policy of typed quantizers is what a run knows.
#pragma once

#include <utility>
#include <vector>

#include "train/recipes/recipes.h"

namespace precipice {

using GemmSettings = GemmPrecisionOf<QuantizerSettings>;
using SiteSettings = SitePrecisionOf<QuantizerSettings>;
using ElementSettings = ElementPrecisionOf<QuantizerSettings>;

// Throw ConfigError naming what is wrong with a quantizer. `native`: what accumulator=native stands for.
SitePrecision site_precision(const SiteSettings& settings, const NativeUnit& native = {});
RecipeChoice recipe_choice(const RecipeSettings& settings);

// As make_recipe.
RecipeSettings make_recipe_settings(std::string_view text);

struct PolicySettings {
  explicit PolicySettings(PrecisionPolicy layout) : policy(std::move(layout)), sites(policy.num_sites()) {}
  // Throws ConfigError.
  PrecisionPolicy finished() const;

  PrecisionPolicy policy;           // its layers and sites, and what happens between the matmuls
  std::vector<SiteSettings> sites;  // of the matmuls, numbered as the policy's
  NativeUnit native;                // of the run's recipe
};

}  // namespace precipice
