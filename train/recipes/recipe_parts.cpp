// SPDX-License-Identifier: Apache-2.0
#include "train/recipes/recipe_parts.h"

#include "precision/format/format_presets.h"
#include "precision/policy/element_precision.h"

namespace precipice::recipe_parts {

// ---- operands ---------------------------------------------------------------------------------------------------

MatrixQuantizer bf16() {
  MatrixQuantizer q;
  q.element = kBf16;
  q.overflow = Overflow::Native;
  return q;
}

MatrixQuantizer unscaled(const char* format) {
  MatrixQuantizer q;
  q.element = parse_float_format(format);
  q.overflow = Overflow::Native;
  return q;
}

MatrixQuantizer scaled(const char* format, ScaleKind kind, Arithmetic arithmetic) {
  MatrixQuantizer q;
  q.element = parse_float_format(format);
  q.kind = kind;
  q.arithmetic = arithmetic;
  return q;
}

MatrixQuantizer blocks(const char* format, std::int64_t across, std::int64_t along, Arithmetic arithmetic) {
  MatrixQuantizer q = scaled(format, ScaleKind::Block, arithmetic);
  q.block_across = across;
  q.block_along = along;
  return q;
}

MatrixQuantizer e8m0_blocks(const char* format, ScaleRule rule, Arithmetic arithmetic) {
  MatrixQuantizer q = blocks(format, 1, 32, arithmetic);
  q.rule = rule;
  return q;
}

GemmArithmetic to_bf16() {
  GemmArithmetic arithmetic;
  arithmetic.output = bf16();
  return arithmetic;
}

SitePrecision same(const MatrixQuantizer& operand, const GemmArithmetic& arithmetic) {
  return SitePrecision::of_tensors(operand, operand, operand, arithmetic);
}

SitePrecision bf16_site() {
  return same(bf16(), to_bf16());
}

// Attention products and LM head in bf16, as every FP8 recipe of a published system leaves them.
RecipeChoice beside_bf16(const SitePrecision& linear) {
  return {linear, bf16_site(), bf16_site()};
}

RecipeChoice everywhere(const SitePrecision& site) {
  return {site, site, site};
}

// Results of all operations between matmuls in bf16.
ElementPrecision in_bf16() {
  ElementPrecision elements;
  elements.vector = elements.residual = elements.softmax = elements.norm = bf16();
  return elements;
}

MatrixQuantizer delayed(const char* format, DelayedUpdate update, int history, Arithmetic arithmetic) {
  MatrixQuantizer q = scaled(format, ScaleKind::Tensor, arithmetic);
  DelayedRule rule;
  rule.update = update;
  rule.history = history;
  q.delayed = rule;
  return q;
}

SitePrecision fp8_site(const MatrixQuantizer& forward, const MatrixQuantizer& gradient) {
  return SitePrecision::of_tensors(forward, forward, gradient, to_bf16());
}

}  // namespace precipice::recipe_parts
