// SPDX-License-Identifier: Apache-2.0
// Operands cut to fewer bits, without scales: "To FP8 and Back Again", arXiv 2405.18710, sections 3 and 4.2.
#include <fmt/format.h>

#include <utility>

#include "precision/format/format_presets.h"
#include "train/recipes/recipe_parts.h"

namespace precipice::recipe_parts {

void add_masks(std::vector<Recipe>& table) {
  for (int bits = 0; bits <= 7; ++bits)
    table.push_back({fmt::format("e8m{}", bits), "arXiv 2405.18710",
                     fmt::format("bf16 operands cut to {} mantissa bits by truncation at every matmul, forward and "
                                 "backward, no scaling; bf16 results",
                                 bits),
                     options({"rounding", "random_bits"}), [bits](const Values& values) {
                       QuantizerSettings q = bf16();
                       q.format.mantissa_bits = bits;
                       q.rounding = Rounding::TowardZero;
                       q.through_bf16 = true;
                       SiteSettings site = same(q, to_bf16());
                       apply_options(site, values);
                       return everywhere(site);
                     }});
  table.push_back({"e7m7", "arXiv 2405.18710, section 4.2",
                   "bf16 operands clamped to 7 exponent bits at both ends, no scaling; bf16 results",
                   options({"clamp", "rounding", "random_bits"}), [](const Values& values) {
                     QuantizerSettings q = unscaled("e7m7");
                     q.overflow = Overflow::Propagate;
                     q.rounding = Rounding::TowardZero;
                     q.through_bf16 = true;
                     const std::string clamp = values.count("clamp") != 0 ? values.at("clamp") : "both";
                     if (clamp != "both" && clamp != "inner" && clamp != "outer")
                       throw ConfigError({"", 0, "clamp", clamp}, "must be both, inner or outer");
                     if (clamp == "inner") q.range = kBf16;
                     if (clamp == "outer") q.range = std::exchange(q.format, kBf16);
                     SiteSettings site = same(q, to_bf16());
                     apply_options(site, values);
                     return everywhere(site);
                   }});
}

}  // namespace precipice::recipe_parts
