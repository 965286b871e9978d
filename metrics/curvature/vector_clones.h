// SPDX-License-Identifier: Apache-2.0
// Vectors of doubles for functions that are compiled for several instruction sets (precision/kernels/target_clones.h).
// Private to .cpp files of metrics/.
#pragma once

#include <cstddef>

#include "precision/base/host_device.h"
#include "precision/kernels/target_clones.h"

namespace precipice {

// Vectors in so many words: left to itself the compiler unrolls loops over eight lanes and computes them one by one.
using Doubles = double __attribute__((vector_size(64)));
inline constexpr std::size_t kDoubles = sizeof(Doubles) / sizeof(double);

PRECIPICE_HD Doubles doubles_at(const float* x) {
  using Floats = float __attribute__((vector_size(sizeof(Doubles) / 2)));
  Floats values;
  __builtin_memcpy(&values, x, sizeof(values));
  return __builtin_convertvector(values, Doubles);
}

PRECIPICE_HD double sum_of_lanes(Doubles x) {
  double sum = 0;
  for (std::size_t lane = 0; lane < kDoubles; ++lane) sum += x[lane];
  return sum;
}

}  // namespace precipice
