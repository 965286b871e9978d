// SPDX-License-Identifier: Apache-2.0
// One line of text for each kind of choice, for tables and messages.
#pragma once

#include <string>

#include "precision/gemm/gemm_arithmetic.h"
#include "precision/scaling/quantizer.h"

namespace precipice {

std::string describe(const ElementQuantizer& element);  // "e4m3 sr 32 bits saturate"
std::string describe(const Quantizer& quantizer);       // "e4m3 rne saturate, amax scale per 1x128 block, te"
std::string describe(const GemmArithmetic& arithmetic);

}  // namespace precipice
