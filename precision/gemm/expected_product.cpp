// SPDX-License-Identifier: Apache-2.0
#include "precision/gemm/expected_product.h"

#include "precision/scaling/scale_rules.h"

namespace precipice {
namespace {

ScaleLayout layout_of(const Scaling& scaling, std::int64_t k) {
  if (const BlockShape* block = block_of(scaling)) return k > block->along ? ScaleLayout::BlocksOfK : ScaleLayout::Rows;
  if (std::holds_alternative<NoScaling>(scaling)) return ScaleLayout::None;
  if (const auto* fixed = std::get_if<FixedScaling>(&scaling))
    return fixed->scale == 1.0f ? ScaleLayout::None : ScaleLayout::Tensor;
  const auto* amax = std::get_if<AmaxScaling>(&scaling);
  if (amax == nullptr || amax->granularity == Granularity::Tensor) return ScaleLayout::Tensor;
  return amax->granularity == Granularity::Column && k > 1 ? ScaleLayout::BlocksOfK : ScaleLayout::Rows;
}

// Whether folded() will find that products with the scales are exact.
bool has_foldable_scales(const Quantizer& quantizer) {
  if (const auto* amax = quantizer.scaling_if<AmaxScaling>()) return amax->scale.power_of_two;
  if (const auto* amax = quantizer.scaling_if<BlockAmaxScaling>()) return amax->scale.power_of_two;
  if (const auto* nvfp4 = quantizer.scaling_if<Nvfp4Scaling>()) return nvfp4->two_level && !nvfp4->row_scaled;
  return true;  // E8M0 and shared exponents
}

struct Expected {
  OperandKind kind;
  bool folds;  // scales of rows and blocks, where the plan wants that
};

Expected expected_operand(const Quantizer& quantizer, bool as_bf16, std::int64_t k) {
  const ScaleLayout scales = layout_of(quantizer.scaling, k);
  const bool is_one = scales == ScaleLayout::None || scales == ScaleLayout::Tensor;
  // Of numbers that are not too small for bf16's instructions.
  return {{as_bf16, 1.0, scales}, is_one || has_foldable_scales(quantizer)};
}

}  // namespace

ProductKind expected_product(const Quantizer& a, const Quantizer& b, const GemmArithmetic& arithmetic, std::int64_t k,
                             const MatmulCpu& cpu) {
  const bool as_bf16 = runs_on_bf16(a, b, arithmetic, cpu);
  const Expected of_a = expected_operand(a, as_bf16, k), of_b = expected_operand(b, as_bf16, k);
  GemmFacts facts;
  facts.emulated = arithmetic.accumulator.kind != AccumulatorKind::Fp32;
  facts.a = of_a.kind, facts.b = of_b.kind;
  facts.preparation = choose_preparation(facts.a, facts.b, arithmetic.scales, facts.emulated);
  if (facts.preparation == Preparation::Folded && !(of_a.folds && of_b.folds)) facts.preparation = Preparation::None;
  if (facts.preparation != Preparation::None) facts.a.scales = facts.b.scales = ScaleLayout::None;
  return choose_gemm(facts, cpu).kind;
}

}  // namespace precipice
