// SPDX-License-Identifier: Apache-2.0
// Formats that rules and kernels name in code. preset_formats() of float_format.h has these and the others under the
// names that users write, with their sources.
#pragma once

#include "precision/format/float_format.h"

namespace precipice {

inline constexpr FloatFormat kFp16{5, 10, 15, Specials::Ieee};
inline constexpr FloatFormat kBf16{8, 7, 127, Specials::Ieee};
inline constexpr FloatFormat kE4m3{4, 3, 7, Specials::Fn};      // OCP OFP8, largest number 448
inline constexpr FloatFormat kE5m2{5, 2, 15, Specials::Ieee};   // OCP OFP8
inline constexpr FloatFormat kE2m1{2, 1, 1, Specials::Finite};  // OCP MX, largest number 6

}  // namespace precipice
