// SPDX-License-Identifier: Apache-2.0
// The plan of a product of quantized operands: what becomes of their scales, what sums the products, and where the
// result goes. choose_gemm() is a pure function of kinds, places and the CPU; gemm.h follows the plan. What multiplies
// the operands is a choice of its own, for each product that the plan asks for (multiplier.h).
#pragma once

#include <cstdint>
#include <string>

#include "precision/gemm/carrier.h"
#include "precision/gemm/multiplier.h"

namespace precipice {

// Where scales act: on sums, or on the operands before the product (torchao's emulation, microxcaling). For powers of
// two both agree unless something over- or underflows.
enum class ScalesAct : std::uint8_t { Sums, Operands };

// Which numbers of an operand share a scale, as its product sees it.
enum class ScaleLayout : std::uint8_t {
  None,      // nothing is scaled
  Tensor,    // one factor
  Rows,      // a scale per row, or per block that is as long as K
  BlocksOfK  // scales that change along K
};

// All that a plan depends on in an operand.
struct OperandKind {
  bool bf16 = false;   // the type of its values, else fp32
  double quantum = 0;  // that its values are multiples of (precision/format/quantum.h)
  ScaleLayout scales = ScaleLayout::None;
  bool operator==(const OperandKind&) const = default;
};

// What is done to the operands first.
enum class Preparation : std::uint8_t {
  None,
  Dequantized,  // multiplied by their scales in fp32
  Folded  // multiplied by their scales, in their own type: only where each such product is exact (operand_scales.h)
};
// Folded: it is to be tried, and is not done where a product is not exact.
Preparation choose_preparation(const OperandKind& a, const OperandKind& b, ScalesAct scales, bool emulated);

// How sums and scales come together.
enum class Way : std::uint8_t {
  OneProduct,    // scale (a b^T) + bias
  ScaledRows,    // one product for each matrix, whose sums are multiplied by the scales of their row and column
  ScaledBlocks,  // one product for each block of K, whose sums are scaled and added up in fp32
  Emulated,      // an emulated accumulator's sums (precision/accumulator/emulated_gemm.h)
  HeadByHead     // attention that multiplies its matrices itself (matrix_product.h); choose_gemm() gives no such plan
};

// The type in which operands are multiplied.
enum class OperandType : std::uint8_t { Fp32, Bf16 };

// The part of a plan that says which numbers are computed; the rest says where they go.
struct ProductKind {
  Preparation preparation = Preparation::None;
  Way way = Way::OneProduct;
  OperandType type = OperandType::Fp32;
  auto operator<=>(const ProductKind&) const = default;
};
// "bf16", "fp32, scales folded into the operands", "emulated accumulator", ...
std::string describe(const ProductKind& kind);

// Where a result is asked for.
enum class Destination : std::uint8_t {
  New,      // a tensor of its own
  Rows,     // memory with the numbers of a row side by side
  Columns,  // the numbers of a column side by side
  Scattered
};

struct GemmFacts {
  OperandKind a, b;  // as prepared
  Preparation preparation = Preparation::None;
  bool emulated = false;
  bool has_bias = false;
  Destination out = Destination::New;
  bool is_rounded = false;       // the output has a format of its own
  bool is_stochastic = false;    // whose rounding draws words, numbered by the rows of a b^T
  bool rounds_in_place = false;  // `out`, as it is written, can be rounded where it is
  Causal causal = Causal::No;
};

struct GemmPlan {
  ProductKind kind;
  bool copies_to_fp32 = false;      // the operands' values, before anything is multiplied
  bool may_need_fp32 = false;       // bf16 operands of which some may be too small for bf16's instructions
  bool transposed = false;          // made as b a^T, into columns
  bool writes_to_out = false;       // else to new memory, which is copied to `out`
  bool scales_in_rounding = false;  // the operands' scales are applied by the pass that rounds the output
  Causal causal = Causal::No;       // of the product that is made
  bool operator==(const GemmPlan&) const = default;
};
GemmPlan choose_gemm(const GemmFacts& facts, const MatmulCpu& cpu);

}  // namespace precipice
