// SPDX-License-Identifier: Apache-2.0
// Which products a unit of hardware can make: the formats of the operands, and scales where the unit takes them.
// Sources: docs/ACCUMULATORS.md.
#pragma once

#include "precision/accumulator/accumulator.h"
#include "precision/gemm/gemm_arithmetic.h"
#include "precision/scaling/quantizer.h"

namespace precipice {

// Throws ConfigError naming the accumulator, the operands, and what is allowed, where the unit cannot multiply what the
// two quantizers make, or takes no such scales.
void check_unit(const GemmArithmetic& arithmetic, const Quantizer& a, const Quantizer& b);

// What `native` stands for with these operands; others stay. Throws ConfigError where no hardware is named.
Accumulator resolved_accumulator(const Accumulator& accumulator, const Quantizer& a, const Quantizer& b);

}  // namespace precipice
