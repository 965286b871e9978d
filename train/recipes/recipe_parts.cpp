// SPDX-License-Identifier: Apache-2.0
#include "train/recipes/recipe_parts.h"

#include "precision/format/format_presets.h"

namespace precipice::recipe_parts {

// ---- operands ---------------------------------------------------------------------------------------------------

ElementQuantizer bf16() {
  return {.format = kBf16, .overflow = Overflow::Native};
}

ElementQuantizer unscaled(const char* format) {
  return {.format = parse_float_format(format), .overflow = Overflow::Native};
}

QuantizerSettings scaled(const char* format, ScaleKind kind, Arithmetic arithmetic) {
  QuantizerSettings q;
  q.format = parse_float_format(format);
  q.kind = kind;
  q.arithmetic = arithmetic;
  return q;
}

QuantizerSettings blocks(const char* format, std::int64_t across, std::int64_t along, Arithmetic arithmetic) {
  QuantizerSettings q = scaled(format, ScaleKind::Block, arithmetic);
  q.block_across = across;
  q.block_along = along;
  return q;
}

QuantizerSettings e8m0_blocks(const char* format, ScaleRule rule, Arithmetic arithmetic) {
  QuantizerSettings q = blocks(format, 1, 32, arithmetic);
  q.rule = rule;
  return q;
}

GemmArithmetic to_bf16() {
  GemmArithmetic arithmetic;
  arithmetic.output = bf16();
  return arithmetic;
}

SiteSettings same(const QuantizerSettings& operand, const GemmArithmetic& arithmetic) {
  return SiteSettings::of_tensors(operand, operand, operand, arithmetic);
}

SiteSettings bf16_site() {
  return same(bf16(), to_bf16());
}

// Attention products and LM head in bf16, as every FP8 recipe of a published system leaves them.
RecipeSettings beside_bf16(const SiteSettings& linear) {
  return {linear, bf16_site(), bf16_site()};
}

RecipeSettings everywhere(const SiteSettings& site) {
  return {site, site, site};
}

// Results of all operations between matmuls in bf16.
ElementSettings in_bf16() {
  ElementSettings elements;
  elements.vector = elements.residual = elements.softmax = elements.norm = bf16();
  return elements;
}

QuantizerSettings delayed(const char* format, DelayedUpdate update, int history, Arithmetic arithmetic) {
  QuantizerSettings q = scaled(format, ScaleKind::Tensor, arithmetic);
  DelayedRule rule;
  rule.update = update;
  rule.history = history;
  q.delayed = rule;
  return q;
}

SiteSettings fp8_site(const QuantizerSettings& forward, const QuantizerSettings& gradient) {
  return SiteSettings::of_tensors(forward, forward, gradient, to_bf16());
}

}  // namespace precipice::recipe_parts
