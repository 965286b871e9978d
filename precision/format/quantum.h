// SPDX-License-Identifier: Apache-2.0
// The quantum of a format or a tensor, which every value is a whole multiple of, and whether products of such multiples
// are exact on bf16 instructions (carrier.h says why).
#pragma once

#include "precision/format/float_format.h"

namespace precipice {

// The distance of the format's values where they are densest: every value is a multiple of it.
double quantum_of(const FloatFormat& format);
// Whether every value is a bf16 number.
bool fits_bf16(const FloatFormat& format);
// Whether bf16 instructions are exact on multiples of these quanta.
bool products_fit_bf16(double quantum, double other_quantum);

}  // namespace precipice
