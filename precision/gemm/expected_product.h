// SPDX-License-Identifier: Apache-2.0
// What kind of product the operands of two quantizers will make, before there is a tensor: for plans of runs. It holds
// where no tensor has numbers too small for bf16's instructions (carrier.h) and no scale takes a value out of fp32's
// range: those products go through fp32, and scale their sums by blocks.
#pragma once

#include "precision/gemm/gemm.h"

namespace precipice {

// What is known of a product's operands.
struct ExpectedOperands {
  std::int64_t k;           // what the product sums over
  std::int64_t zeros_in_a;  // numbers side by side in a row of a that are all zero; 0: no such row
};
ProductKind expected_product(const Quantizer& a, const Quantizer& b, const GemmArithmetic& arithmetic,
                             const ExpectedOperands& operands, const MatmulCpu& cpu);

}  // namespace precipice
