// SPDX-License-Identifier: Apache-2.0
// An emulated GEMM with everything checked and derived once, as plain data: for machines that sum outputs one by one, as
// the definition does (gemm_reference.cpp).
#pragma once

#include <cstdint>

#include "precision/accumulator/emulated_gemm.h"
#include "precision/rounding/round_to_format.h"

namespace precipice {

struct PreparedGemm {
  EmulatedGemm gemm;
  std::int64_t scale_block, segment, part;  // products to a scale, to a register, to a part (split=)
  WideFormatConstants format;               // F: every, chunk
  WideFormatConstants unit_register;        // tensor-core: min(bits, 24) bits
};

// Throws ConfigError where validate(accumulator) does; sizes and scales are a contract.
PreparedGemm prepare_gemm(const EmulatedGemm& gemm);

}  // namespace precipice
