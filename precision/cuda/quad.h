// SPDX-License-Identifier: Apache-2.0
// Four neighbours of an array as one access, where they lie at a multiple of its size: a GPU moves 16 bytes a thread as fast as
// 4. Host and device, no CUDA in it.
#pragma once

#include <cstdint>

#include "precision/base/host_device.h"

namespace precipice {

// Elements first + begin .. first + end - 1 of an array; a whole quad is 0 .. 4.
struct Quad {
  std::int64_t first;
  int begin, end;
  PRECIPICE_HD bool is_whole() const { return begin == 0 && end == 4; }
  // Loops go over 0 .. 3 and ask, so that what they index stays in registers.
  PRECIPICE_HD bool has(int k) const { return k >= begin && k < end; }
};

// Of `size` elements those from `first` on, which may be negative.
PRECIPICE_HD Quad quad_of(std::int64_t first, std::int64_t size) {
  return {first, first < 0 ? static_cast<int>(-first) : 0, size - first < 4 ? static_cast<int>(size - first) : 4};
}

template <class Number>
struct alignas(4 * sizeof(Number)) [[gnu::may_alias]] FourNumbers {
  Number at[4];
};

template <class Number>
PRECIPICE_HD bool is_one_access(const Number* array, const Quad& quad) {
  return quad.is_whole() && reinterpret_cast<std::uintptr_t>(array + quad.first) % sizeof(FourNumbers<Number>) == 0;
}

template <class Number>
PRECIPICE_HD void load_quad(const Number* array, const Quad& quad, Number (&to)[4]) {
  if (is_one_access(array, quad)) {
    const FourNumbers<Number> all = *reinterpret_cast<const FourNumbers<Number>*>(array + quad.first);
    for (int k = 0; k < 4; ++k) to[k] = all.at[k];
    return;
  }
  for (int k = 0; k < 4; ++k)
    if (quad.has(k)) to[k] = array[quad.first + k];
}

template <class Number>
PRECIPICE_HD void store_quad(const Number (&from)[4], const Quad& quad, Number* array) {
  if (is_one_access(array, quad)) {
    FourNumbers<Number> all;
    for (int k = 0; k < 4; ++k) all.at[k] = from[k];
    *reinterpret_cast<FourNumbers<Number>*>(array + quad.first) = all;
    return;
  }
  for (int k = 0; k < 4; ++k)
    if (quad.has(k)) array[quad.first + k] = from[k];
}

}  // namespace precipice
