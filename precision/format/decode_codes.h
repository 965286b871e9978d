// SPDX-License-Identifier: Apache-2.0
// Codes back to values, many at a time: decode() of format_codes.h as one formula for every kind of format, without
// branches, so that the loop vectorises.
#pragma once

#include <cstdint>

#include "precision/format/float_format.h"

namespace precipice {

// out[i] = decode(format, in[i]), bit for bit; codes must be below 2^bits. Code: std::uint8_t, 16 or 32.
template <class Code>
void decode(const Code* in, float* out, std::int64_t size, const FloatFormat& format);

// The index of the first code that is not below 2^bits; size if there is none.
template <class Code>
std::int64_t first_foreign_code(const Code* in, std::int64_t size, const FloatFormat& format);

}  // namespace precipice
