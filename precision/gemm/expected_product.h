// SPDX-License-Identifier: Apache-2.0
// What kind of product the operands of two quantizers will make, before there is a tensor: for plans of runs. It holds
// where no tensor has numbers too small for bf16's instructions (carrier.h) and no scale takes a value out of fp32's
// range: those products go through fp32, and scale their sums by blocks.
#pragma once

#include "precision/gemm/gemm.h"

namespace precipice {

// k: what the product sums over.
ProductKind expected_product(const Quantizer& a, const Quantizer& b, const GemmArithmetic& arithmetic, std::int64_t k,
                             const MatmulCpu& cpu);

}  // namespace precipice
