// SPDX-License-Identifier: Apache-2.0
// CPUs by what multiplies on them, for tables of plans: with bf16 instructions, with AVX-512 alone, with AVX2, with neither.
#pragma once

#include "precision/gemm/gemm_plan.h"

namespace precipice {

inline constexpr MatmulCpu kNewCpu{true, true, true, true}, kAvx512{false, true, true, false},
    kAvx2{false, false, true, false}, kOld{};

}  // namespace precipice
