// SPDX-License-Identifier: Apache-2.0
// What stands for a number that is unknown, and what lies beyond every number.
#pragma once

#include <limits>

namespace precipice {

inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
inline constexpr double kInfinity = std::numeric_limits<double>::infinity();
inline constexpr float kFloatInfinity = std::numeric_limits<float>::infinity();

}  // namespace precipice
