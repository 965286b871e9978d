// SPDX-License-Identifier: Apache-2.0
// The three GEMMs of a matmul, their operands, and the numbers of both. Tensors as a model holds them: x (tokens, in),
// w (out, in), dy (tokens, out):
//   fprop  y = x w^T      dgrad  dx = dy w      wgrad  dw = dy^T x
#pragma once

#include <cstdint>
#include <optional>

#include "precision/base/spellings.h"

namespace precipice {

enum class Pass : std::uint8_t { Fprop, Dgrad, Wgrad };
inline constexpr Pass kAllPasses[] = {Pass::Fprop, Pass::Dgrad, Pass::Wgrad};
inline constexpr Spellings<Pass, 3> kPassNames{
    {{"fprop", Pass::Fprop}, {"dgrad", Pass::Dgrad}, {"wgrad", Pass::Wgrad}}};

enum class MatmulOperand : std::uint8_t { X, W, Dy };
inline constexpr Spellings<MatmulOperand, 3> kMatmulOperands{
    {{"x", MatmulOperand::X}, {"w", MatmulOperand::W}, {"dy", MatmulOperand::Dy}}};

// The slots, and the three outputs: numbers of random streams and of what an observer is told.
enum class Slot : std::uint16_t { FpropX, FpropW, DgradDy, DgradW, WgradDy, WgradX, FpropOut, DgradOut, WgradOut };

// Where an operand stands in a GEMM.
struct OperandSlot {
  Slot slot;
  bool is_first;    // of the formula above
  int contraction;  // the axis of the tensor that the GEMM sums over
};
// None where the GEMM has no such operand.
constexpr std::optional<OperandSlot> slot_of(Pass pass, MatmulOperand operand) {
  const bool is_x = operand == MatmulOperand::X, is_w = operand == MatmulOperand::W;
  switch (pass) {
    case Pass::Fprop:
      if (is_x) return OperandSlot{Slot::FpropX, true, 1};
      if (is_w) return OperandSlot{Slot::FpropW, false, 1};
      break;
    case Pass::Dgrad:
      if (is_w) return OperandSlot{Slot::DgradW, false, 0};
      if (!is_x) return OperandSlot{Slot::DgradDy, true, 1};
      break;
    case Pass::Wgrad:
      if (is_x) return OperandSlot{Slot::WgradX, false, 0};
      if (!is_w) return OperandSlot{Slot::WgradDy, true, 0};
      break;
  }
  return std::nullopt;
}

constexpr Slot output_of(Pass pass) {
  return pass == Pass::Fprop ? Slot::FpropOut : pass == Pass::Dgrad ? Slot::DgradOut : Slot::WgradOut;
}

}  // namespace precipice
