// SPDX-License-Identifier: Apache-2.0
// Operands cut to fewer bits, without scales: "To FP8 and Back Again", arXiv 2405.18710, sections 3 and 4.2.
#include <fmt/format.h>

#include <utility>

#include "precision/format/format_presets.h"
#include "train/recipes/recipe_parts.h"

namespace precipice::recipe_parts {
namespace {

// bf16 numbers with fewer mantissa bits.
FloatFormat bf16_with(int mantissa_bits) {
  FloatFormat format = kBf16;
  format.mantissa_bits = mantissa_bits;
  return format;
}

FloatFormat format_of_mask(const Values& values) {
  const std::string text = values.count("format") != 0 ? values.at("format") : "e7m7";
  FloatFormat format = parse_float_format(text);
  if (format.sign != Sign::Signed || format.exponent_bits < 1 || format.mantissa_bits < 1 || format.mantissa_bits > 7)
    throw ConfigError({"", 0, "format", text}, "must be eXmY with 1 to 8 exponent bits and 1 to 7 mantissa bits");
  return format;
}

// What a mask leaves of bf16 numbers.
QuantizerSettings mask(const Values& values) {
  const FloatFormat format = format_of_mask(values), wide = bf16_with(format.mantissa_bits);
  const std::string clamp = values.count("clamp") != 0 ? values.at("clamp") : "both";
  QuantizerSettings q;
  q.format = format;
  if (values.count("bias") != 0) q.format.bias = static_cast<int>(parse_whole("bias", values.at("bias"), -1000, 1000));
  q.overflow = Overflow::Propagate;
  q.rounding = Rounding::TowardZero;
  q.through_bf16 = true;
  if (clamp == "both") return q;
  if (clamp == "inner") {
    q.range = wide;
  } else if (clamp == "outer") {
    q.range = std::exchange(q.format, wide);
  } else if (clamp == "wrap") {
    const bool is_bf16s = values.count("bias") == 0 || q.format.bias == kBf16.bias;
    if (!is_bf16s) throw ConfigError({"", 0, "bias", values.at("bias")}, "must be bf16's, 127, with clamp=wrap");
    q.format = wide;
    q.kept_exponent_bits = format.exponent_bits;
  } else {
    throw ConfigError({"", 0, "clamp", clamp}, "must be both, inner, outer or wrap");
  }
  return q;
}

}  // namespace

void add_masks(std::vector<Recipe>& table) {
  for (int bits = 0; bits <= 7; ++bits)
    table.push_back({fmt::format("e8m{}", bits), "arXiv 2405.18710",
                     fmt::format("bf16 operands cut to {} mantissa bits by truncation at every matmul, forward and "
                                 "backward, no scaling; bf16 results",
                                 bits),
                     options({"rounding", "random_bits"}), [bits](const Values& values) {
                       QuantizerSettings q = bf16();
                       q.format = bf16_with(bits);
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
  table.push_back({"mask", "arXiv 2405.18710, sections 3 and 4.2",
                   "bf16 operands cut to the mantissa bits of `format` by truncation and to its exponents, at one end, "
                   "at both, or by dropping the exponent's highest bits (clamp=wrap), no scaling; bf16 results",
                   options({"format", "bias", "clamp", "rounding", "random_bits"}), [](const Values& values) {
                     SiteSettings site = same(mask(values), to_bf16());
                     apply_options(site, values);
                     return everywhere(site);
                   }});
}

}  // namespace precipice::recipe_parts
