// SPDX-License-Identifier: Apache-2.0
// Which formats a unit multiplies, and the exponent that its alignment gives to an operand's subnormals. A number whose
// format is not one of the unit's is held in the first that has all its values, as software would store it.
// Source: the tables of docs/ACCUMULATORS.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "precision/base/spellings.h"
#include "precision/format/float_format.h"

namespace precipice {

enum class OperandSet : std::uint8_t { Any, Fp16, Bf16, Tf32, Fp8, F8f4, Fp4, Fp8Fnuz };

constexpr Spellings<OperandSet, 8> kOperandSets{{{"any", OperandSet::Any},
                                                 {"fp16", OperandSet::Fp16},
                                                 {"bf16", OperandSet::Bf16},
                                                 {"tf32", OperandSet::Tf32},
                                                 {"fp8", OperandSet::Fp8},
                                                 {"f8f4", OperandSet::F8f4},
                                                 {"fp4", OperandSet::Fp4},
                                                 {"fp8-fnuz", OperandSet::Fp8Fnuz}}};

// The smallest normal exponent of the format in which the unit holds numbers of `format`; none: it cannot. Any holds
// every format as it is.
std::optional<int> operand_emin(OperandSet set, const FloatFormat& format);

// "e4m3 or e5m2": what a set has.
std::string formats_of(OperandSet set);

}  // namespace precipice
