// SPDX-License-Identifier: Apache-2.0
#include "precision/gemm/gemm_plan.h"

namespace precipice {
namespace {

bool has_scales_per_row(const OperandKind& operand) {
  return operand.scales == ScaleLayout::Rows || operand.scales == ScaleLayout::BlocksOfK;
}

Way choose_way(const GemmFacts& f) {
  if (f.emulated) return Way::Emulated;
  if (f.a.scales == ScaleLayout::BlocksOfK || f.b.scales == ScaleLayout::BlocksOfK) return Way::ScaledBlocks;
  return has_scales_per_row(f.a) || has_scales_per_row(f.b) ? Way::ScaledRows : Way::OneProduct;
}

// The same of b a^T.
Causal transposed(Causal causal) {
  switch (causal) {
    case Causal::FirstPast:
      return Causal::SecondPast;
    case Causal::FirstAhead:
      return Causal::SecondAhead;
    case Causal::SecondPast:
      return Causal::FirstPast;
    case Causal::SecondAhead:
      return Causal::FirstAhead;
    case Causal::No:
    case Causal::Result:
      return Causal::No;
  }
  return Causal::No;
}

const char* name_of(OperandType type) {
  return type == OperandType::Bf16 ? "bf16" : "fp32";
}

}  // namespace

Preparation choose_preparation(const OperandKind& a, const OperandKind& b, ScalesAct scales, bool emulated) {
  if (scales == ScalesAct::Operands && (a.scales != ScaleLayout::None || b.scales != ScaleLayout::None))
    return Preparation::Dequantized;
  const bool has_blocks = a.scales == ScaleLayout::BlocksOfK || b.scales == ScaleLayout::BlocksOfK;
  return has_blocks && !emulated ? Preparation::Folded : Preparation::None;
}

GemmPlan choose_gemm(const GemmFacts& f, const MatmulCpu& cpu) {
  GemmPlan plan;
  plan.kind = {f.preparation, choose_way(f), OperandType::Fp32};
  const bool is_one_product = plan.kind.way == Way::OneProduct;

  // bf16 operands meet only their like, and only where such products can be had; emulated accumulators read fp32.
  const bool both_bf16 = f.a.bf16 && f.b.bf16, any_bf16 = f.a.bf16 || f.b.bf16;
  const bool can_be_bf16 = both_bf16 && !f.emulated && cpu.avx512;
  const bool is_exact = can_be_bf16 && products_fit_bf16(f.a.quantum, f.b.quantum);
  // Where numbers may be too small, only a product of whole operands is worth a look at each matrix.
  plan.may_need_fp32 = can_be_bf16 && !is_exact && is_one_product;
  plan.copies_to_fp32 = any_bf16 && !is_exact && !plan.may_need_fp32;
  if (is_exact || plan.may_need_fp32) plan.kind.type = OperandType::Bf16;

  plan.transposed = f.out == Destination::Columns && !f.has_bias && !f.emulated && !f.is_stochastic;
  if (!is_one_product) return plan;
  plan.writes_to_out = (f.out == Destination::Rows || plan.transposed) && (!f.is_rounded || f.rounds_in_place);
  plan.scales_in_rounding = f.is_rounded && !f.has_bias;
  if (!f.has_bias) plan.causal = plan.transposed ? transposed(f.causal) : f.causal;
  return plan;
}

std::string describe(const ProductKind& kind) {
  if (kind.way == Way::Emulated)
    return kind.preparation == Preparation::Dequantized ? "emulated accumulator, dequantized operands"
                                                        : "emulated accumulator";
  std::string text = name_of(kind.type);
  if (kind.preparation == Preparation::Dequantized) text += ", dequantized operands";
  if (kind.preparation == Preparation::Folded) text += ", scales folded into the operands";
  if (kind.way == Way::ScaledRows) text += ", sums scaled by rows";
  if (kind.way == Way::ScaledBlocks) text += ", sums scaled by blocks of K";
  if (kind.way == Way::HeadByHead) text += ", head by head";
  return text;
}

}  // namespace precipice
