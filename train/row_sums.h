// SPDX-License-Identifier: Apache-2.0
// The scalar product of two rows in fp32, in an order that is the same on every machine.
#pragma once

#include <cstdint>

namespace precipice {

// Eight partial sums in a fixed order, so that the compiler may use vectors without changing a bit between machines.
inline float dot(const float* a, const float* b, std::int64_t size) {
  float lanes[8] = {};
  std::int64_t j = 0;
  for (; j + 8 <= size; j += 8)
    for (int k = 0; k < 8; ++k) lanes[k] += a[j + k] * b[j + k];
  for (; j < size; ++j) lanes[j % 8] += a[j] * b[j];
  return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) + ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
}

}  // namespace precipice
