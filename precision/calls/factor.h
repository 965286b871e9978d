// SPDX-License-Identifier: Apache-2.0
// A factor that may follow from data: known on the host, or left in the memory of the device that found it, so that
// nobody waits for it. On the CPU it is always known. Host and device.
#pragma once

#include "precision/base/check.h"
#include "precision/base/host_device.h"

namespace precipice {

// known * *at * *also_at, in binary32; null: 1. One of the three is a number of the data, or two of a product's operands.
struct Factor {
  constexpr Factor() = default;
  constexpr Factor(float value, const float* there = nullptr)
      : known(value), at(there) {}  // NOLINT: numbers are factors

  float known = 1.0f;
  const float *at = nullptr, *also_at = nullptr;

  PRECIPICE_HD bool is_known() const { return at == nullptr; }
  // Where the memory can be read: on the host if it is known, else in functions of the device.
  PRECIPICE_HD float value() const {
    if (at == nullptr) return known;
    const float first = known * *at;
    return also_at == nullptr ? first : first * *also_at;
  }
};

inline Factor times(const Factor& a, const Factor& b) {
  Factor both(a.known * b.known, a.at);
  const float* const of_b[] = {b.at, b.also_at};
  both.also_at = a.also_at;
  for (const float* number : of_b) {
    if (number == nullptr) continue;
    const float*& place = both.at == nullptr ? both.at : both.also_at;
    PRECIPICE_CHECK(place == nullptr, "a product of more than two factors");
    place = number;
  }
  return both;
}

}  // namespace precipice
