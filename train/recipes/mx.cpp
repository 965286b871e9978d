// SPDX-License-Identifier: Apache-2.0
// OCP Microscaling Formats (MX) v1.0, and other blocks under a shared exponent.
#include <fmt/format.h>

#include "train/recipes/recipe_parts.h"

namespace precipice::recipe_parts {
namespace {

// The rule of an arithmetic that lacks the recipe's, and the arithmetic of a rule that the recipe's lacks.
void settle_rule(Values& values, ScaleRule rule, Arithmetic arithmetic) {
  const bool has_own_rule = values.count("rule") != 0;
  if (values.count("arithmetic") != 0 && !has_own_rule) {
    const Arithmetic given = parse_arithmetic(values.at("arithmetic"));
    if (!has_rule(given, rule) && has_rule(given, ScaleRule::Floor)) values["rule"] = "floor";
  }
  if (values.count("arithmetic") == 0 && has_own_rule && !has_rule(arithmetic, parse_scale_rule(values.at("rule"))))
    values["arithmetic"] = "te";
}

void set_mantissa(RecipeSettings& choice, const Values& values) {
  const auto given = values.find("mantissa");
  if (given == values.end()) return;
  const auto bits = parse_whole("mantissa", given->second, 1, 23);
  for_operands(choice.linear,
               [bits](QuantizerSettings& q) { q.format = parse_float_format(fmt::format("e0m{}", bits)); });
}

}  // namespace

void add_mx(std::vector<Recipe>& table) {
  const auto mx_options = options({"rule", "element", "arithmetic", "block", "rounding", "dy_rounding", "random_bits",
                                   "flush_subnormal_blocks", "exponent_bump", "scales"});
  const auto mx = [&](const char* name, const char* format, ScaleRule rule, Arithmetic arithmetic,
                      const char* summary) {
    table.push_back(with_options(name, "OCP MX v1.0", summary, mx_options,
                                 [=] {
                                   const QuantizerSettings q = e8m0_blocks(format, rule, arithmetic);
                                   return beside_bf16(SiteSettings::of_tensors(q, q, q, to_bf16()));
                                 },
                                 {.prepare = [=](Values& values) { settle_rule(values, rule, arithmetic); }}));
  };
  mx("mxfp8", "e4m3", ScaleRule::Rceil, Arithmetic::Te,
     "E4M3 in blocks of 32 with E8M0 scales, rule rceil as NVIDIA Transformer Engine's MXFP8BlockScaling");
  mx("mxfp6", "e2m3", ScaleRule::Floor, Arithmetic::MicroxcalingCuda,
     "E2M3 in blocks of 32 with E8M0 scales, rule floor; what is left of a block is padded");
  mx("mxfp4", "e2m1", ScaleRule::Floor, Arithmetic::MicroxcalingCuda,
     "E2M1 in blocks of 32 with E8M0 scales, rule floor; what is left of a block is padded");
  table.push_back(with_options(
      "mx-systems-scaling", "arXiv 2506.20752, with microxcaling",
      "E4M3 in blocks of 32 everywhere, ties away from zero; element-wise operations in bf16, gains of norms in MX too",
      mx_options,
      [] {
        QuantizerSettings q = e8m0_blocks("e4m3", ScaleRule::Floor, Arithmetic::Microxcaling);
        q.rounding = Rounding::NearestAway;
        RecipeSettings choice = everywhere(SiteSettings::of_tensors(q, q, q, to_bf16()));
        choice.elements = in_bf16();
        choice.elements.norm_weights = q;
        return choice;
      },
      {.prepare = [](Values& values) { settle_rule(values, ScaleRule::Floor, Arithmetic::Microxcaling); }}));
  table.push_back(with_options("bfp", "block floating point: e.g. Drumond et al., arXiv 1804.01526",
                               "signed mantissas under a shared exponent",
                               options({"mantissa", "block", "rounding", "random_bits"}),
                               [] {
                                 QuantizerSettings q = blocks("e0m7", 1, 32, Arithmetic::Te);
                                 q.rule = ScaleRule::SharedExponent;
                                 return beside_bf16(SiteSettings::of_tensors(q, q, q, to_bf16()));
                               },
                               {.finish = set_mantissa}));
}

}  // namespace precipice::recipe_parts
