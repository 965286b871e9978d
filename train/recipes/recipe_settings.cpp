// SPDX-License-Identifier: Apache-2.0
#include "train/recipes/recipe_settings.h"

namespace precipice {
namespace {

GemmPrecision gemm_precision(const GemmSettings& settings) {
  return {quantizer_of(settings.first), quantizer_of(settings.second), settings.arithmetic};
}

ElementPrecision element_precision(const ElementSettings& e) {
  return {e.vector, e.residual, e.softmax, e.norm, quantizer_of(e.norm_weights), e.rope_table};
}

}  // namespace

SitePrecision site_precision(const SiteSettings& settings) {
  return {gemm_precision(settings.fprop), gemm_precision(settings.dgrad), gemm_precision(settings.wgrad),
          settings.smooth_swiglu, settings.flash};
}

RecipeChoice recipe_choice(const RecipeSettings& settings) {
  return {site_precision(settings.linear),
          site_precision(settings.attention),
          site_precision(settings.lm_head),
          element_precision(settings.elements),
          settings.state,
          settings.loss_scale};
}

PrecisionPolicy PolicySettings::finished() const {
  PrecisionPolicy result = policy;
  for (std::size_t site = 0; site < sites.size(); ++site) {
    // Layers are mostly alike.
    const std::size_t above = policy.block_sites().size();
    const bool is_as_above = site >= above && site + 1 < sites.size() && sites[site] == sites[site - above];
    result.at(site) = is_as_above ? result.at(site - above) : site_precision(sites[site]);
  }
  return result;
}

}  // namespace precipice
