// SPDX-License-Identifier: Apache-2.0
// One group of products and the register, as a tensor core or a matrix core adds them: steps 1 to 3 of accumulator.h in
// plain loops. The definition that the fast loops are held against, and what `gemm --explain` prints.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "precision/accumulator/accumulator.h"

namespace precipice {

// The operands of one product, and the scales of their blocks (scales=terms and groups; else 1).
struct UnitProduct {
  float a, b;
  float scale_a = 1.0f, scale_b = 1.0f;
};

// What became of one term: `kept` of it, both times the group's unit.
struct AlignedTerm {
  double value = 0.0;
  int exponent = 0;  // kNoExponent: it is zero and takes no part
  double kept = 0.0;
};
constexpr int kNoExponent = -100000;
// The least exponent of scales that have no subnormals.
constexpr int kNoEmin = -1000;

struct GroupSum {
  int exponent = 0;                // e of step 1; matrix-core: e'
  double unit = 0.0;               // u
  AlignedTerm carried;             // the register before
  std::vector<AlignedTerm> terms;  // a product each; scales=groups: kProductsToScaleGroup products each
  double sum = 0.0;     // before it is cut to the register's bits; what IEEE 754 gives where something is not finite
  float result = 0.0f;  // the register after
};

// Kinds TensorCore and MatrixCore. `products`: at most a group, in the order of k; emin_a, emin_b: of the formats in
// which the unit holds the operands (operand_set.h).
GroupSum sum_group(const Accumulator& accumulator, float carried, std::span<const UnitProduct> products, int emin_a,
                   int emin_b);

}  // namespace precipice
