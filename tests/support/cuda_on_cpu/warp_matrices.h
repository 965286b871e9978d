// SPDX-License-Identifier: Apache-2.0
// What mma.h is made of: where the numbers of a warp's 16 x 16 matrices lie in its lanes, and their product. In kernels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <source_location>

namespace cuda_on_cpu {

inline constexpr int kNumbersOfLane = 8;
enum class WarpMatrix : std::uint8_t { A, B, Sums };

// row * 16 + column of number i of this lane.
unsigned place_in_matrix(WarpMatrix matrix, int i);

// All lanes of the warp come, with the same matrix and stride, in numbers of `bytes` each.
void meet_at_matrix(const void* matrix, unsigned stride, std::size_t bytes, const std::source_location& at);

// A lane's; a and b are patterns of bf16 numbers.
struct LaneNumbers {
  std::uint16_t a[kNumbersOfLane], b[kNumbersOfLane];
  float sums[kNumbersOfLane];
};
// sums += a b, when all lanes have come.
void multiply_in_warp(LaneNumbers& own, const std::source_location& at);

}  // namespace cuda_on_cpu
