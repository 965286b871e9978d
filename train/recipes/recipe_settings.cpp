// SPDX-License-Identifier: Apache-2.0
#include "train/recipes/recipe_settings.h"

#include "precision/gemm/unit_operands.h"

namespace precipice {
namespace {

GemmPrecision gemm_precision(const GemmSettings& settings, const NativeUnit& native, Pass pass) {
  GemmPrecision gemm{quantizer_of(settings.first), quantizer_of(settings.second), settings.arithmetic};
  Accumulator& accumulator = gemm.arithmetic.accumulator;
  accumulator = resolved_accumulator(named_accumulator(accumulator, native, pass), gemm.first, gemm.second);
  return gemm;
}

ElementPrecision element_precision(const ElementSettings& e) {
  return {e.vector, e.residual, e.softmax, e.norm, quantizer_of(e.norm_weights), e.rope_table};
}

}  // namespace

Accumulator named_accumulator(const Accumulator& accumulator, const NativeUnit& native, Pass pass) {
  if (accumulator.kind != AccumulatorKind::Native || accumulator.hardware != Hardware::Unknown) return accumulator;
  Accumulator named = accumulator;
  named.hardware = native.hardware;
  if (native.fast_fprop && pass == Pass::Fprop) named.promote = 0;
  return named;
}

SitePrecision site_precision(const SiteSettings& settings, const NativeUnit& native) {
  return {gemm_precision(settings.fprop, native, Pass::Fprop), gemm_precision(settings.dgrad, native, Pass::Dgrad),
          gemm_precision(settings.wgrad, native, Pass::Wgrad), settings.smooth_swiglu, settings.flash};
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
    const bool is_head = policy.has_head() && site + 1 == sites.size();
    const bool is_as_above = site >= above && !is_head && sites[site] == sites[site - above];
    result.at(site) = is_as_above ? result.at(site - above) : site_precision(sites[site], native);
  }
  return result;
}

}  // namespace precipice
