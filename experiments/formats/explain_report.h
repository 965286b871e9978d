// SPDX-License-Identifier: Apache-2.0
// One sum of an emulated accumulator, step by step, as text.
#pragma once

#include <cstdint>
#include <string>

#include "precision/gemm/gemm.h"

namespace precipice {

// Element (m, n) of a b^T before bias and rounding. Throws ConfigError where the library sums, whose order is its own.
std::string explain_report(const Quantized& a, const Quantized& b, const GemmArithmetic& arithmetic, std::int64_t m,
                           std::int64_t n);

}  // namespace precipice
