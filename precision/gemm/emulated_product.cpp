// SPDX-License-Identifier: Apache-2.0
#include "precision/gemm/emulated_product.h"

#include <optional>

#include "precision/base/check.h"
#include "precision/format/format_presets.h"
#include "precision/rounding/round_to_format.h"

namespace precipice {
namespace {

GemmOperand on_unit(const UnitOperand& operand, const Accumulator& accumulator) {
  const std::optional<int> emin = operand_emin(accumulator.operands, operand.format);
  PRECIPICE_CHECK(emin.has_value(), to_string(accumulator), " cannot multiply ", to_string(operand.format));
  GemmOperand numbers = operand.numbers;
  numbers.emin = *emin;
  return numbers;
}

}  // namespace

void check_equal_blocks(std::int64_t block_k, std::int64_t other_block_k) {
  if (block_k != 0 && other_block_k != 0 && block_k != other_block_k)
    throw ConfigError(join_parts("the operands of one matmul have scales for blocks of ", block_k, " and of ",
                                 other_block_k, " along K: they must be equal, or powers of two"));
}

bool takes_blocks_alone(const Accumulator& accumulator, float outer) {
  return accumulator.block_scales == BlockScales::Groups && outer != 1.0f;
}

void without_outer_scale(const float* scales, std::int64_t size, float outer, float* out) {
  const FormatConstants e4m3 = prepare(kE4m3, Overflow::Saturate);
  for (std::int64_t i = 0; i < size; ++i) out[i] = round_to_format<Rounding::NearestEven>(scales[i] / outer, e4m3);
}

EmulatedGemm emulated_product(const UnitOperand& a, const UnitOperand& b, const Accumulator& accumulator) {
  check_equal_blocks(a.block_k, b.block_k);
  EmulatedGemm call;
  call.accumulator = accumulator;
  call.m = a.rows, call.n = b.rows, call.k = a.k;
  call.a = on_unit(a, accumulator), call.b = on_unit(b, accumulator);
  call.scale_block = a.block_k != 0 ? a.block_k : b.block_k;
  call.alpha = accumulator.block_scales == BlockScales::Groups ? a.outer * b.outer : 1.0f;
  return call;
}

}  // namespace precipice
