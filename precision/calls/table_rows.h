// SPDX-License-Identifier: Apache-2.0
// Rotary positions (Su et al., arXiv 2104.09864) and rows of a table by their numbers, as calls on plain arrays.
#pragma once

#include <cstdint>

namespace precipice {

// Rotary positions: heads lie one after the other, `heads` for each of `length` positions, (a, b) of two halves each.
// u = a cos - b sin, v = b cos + a sin, with sines times `direction` (1: forward, -1: back).
struct Rotation {
  const float *x = nullptr, *cosines = nullptr, *sines = nullptr;  // tables: (length, half)
  float* y = nullptr;
  std::int64_t count = 0, length = 0, heads = 0, half = 0;  // count: of all heads
  float direction = 1;
};

// Rows of a table (entries, width) by their numbers.
struct TableRows {
  const std::int64_t* ids = nullptr;  // (count)
  std::int64_t count = 0, entries = 0, width = 0;
};

}  // namespace precipice
