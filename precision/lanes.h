// SPDX-License-Identifier: Apache-2.0
// Sixteen floats at a time for loops that must give the same bits on every machine: every lane does the same
// operations in the same order whatever the vector registers hold, sums go through one tree, nothing is contracted.
// For files that are compiled once per instruction set (row_kernels-inl.h): g++ splits such vectors before it inlines.
// The exponential is 2^n times a polynomial (Cody and Waite 1980): x = n ln 2 + r, |r| <= ln 2 / 2 and e^r by its
// Taylor series to r^7 (truncation 2^-27 relative); rounding leaves an error of at most 2 ulp.
#pragma once

#include <cstdint>
#include <cstring>

#define PRECIPICE_INLINE inline __attribute__((always_inline))
#define PRECIPICE_ALWAYS __attribute__((always_inline))

namespace precipice {

inline constexpr std::int64_t kFloatLanes = 16;
using FloatLanes = float __attribute__((vector_size(64)));
using IntLanes = std::int32_t __attribute__((vector_size(64)));

// Vectors travel by reference: their calling convention depends on the instruction set.
// out = a < b ? yes : no, lane by lane. In parts as wide as the machine's vectors: wider ones are compared number by
// number.
PRECIPICE_INLINE void choose_less(const FloatLanes& a, const FloatLanes& b, const FloatLanes& yes, const FloatLanes& no,
                                  FloatLanes& out) {
#if defined(__AVX512F__)
  out = a < b ? yes : no;
#else
#if defined(__AVX__)
  constexpr int kBytes = 32;
#else
  constexpr int kBytes = 16;
#endif
  using Part = float __attribute__((vector_size(kBytes)));
  constexpr int kParts = sizeof(FloatLanes) / kBytes;
  Part first[kParts], second[kParts], taken[kParts], left[kParts];
  std::memcpy(first, &a, sizeof a), std::memcpy(second, &b, sizeof b);
  std::memcpy(taken, &yes, sizeof yes), std::memcpy(left, &no, sizeof no);
  for (int i = 0; i < kParts; ++i) taken[i] = first[i] < second[i] ? taken[i] : left[i];
  std::memcpy(&out, taken, sizeof out);
#endif
}

// The first `count` lanes; the others are `rest`.
PRECIPICE_INLINE void load_lanes(const float* from, std::int64_t count, float rest, FloatLanes& x) {
  if (count != kFloatLanes)
    for (std::int64_t k = 0; k < kFloatLanes; ++k) x[k] = rest;
  std::memcpy(&x, from, static_cast<std::size_t>(count) * sizeof(float));
}
PRECIPICE_INLINE void keep_lanes(std::int64_t count, float rest, FloatLanes& x) {
  constexpr FloatLanes kIndex = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  choose_less(kIndex, FloatLanes{} + static_cast<float>(count), x, FloatLanes{} + rest, x);
}
// The same where `room` floats may be read, without a copy of `count` floats if all lanes have room.
PRECIPICE_INLINE void load_lanes(const float* from, std::int64_t count, float rest, std::int64_t room, FloatLanes& x) {
  if (count == kFloatLanes || room < kFloatLanes) return load_lanes(from, count, rest, x);
  load_lanes(from, kFloatLanes, rest, x);
  keep_lanes(count, rest, x);
}
PRECIPICE_INLINE void store_lanes(const FloatLanes& x, std::int64_t count, float* to) {
  std::memcpy(to, &x, static_cast<std::size_t>(count) * sizeof(float));
}

PRECIPICE_INLINE FloatLanes magnitude_of_lanes(const FloatLanes& x) {
  IntLanes bits;
  std::memcpy(&bits, &x, sizeof bits);
  bits &= 0x7FFFFFFF;
  FloatLanes magnitude;
  std::memcpy(&magnitude, &bits, sizeof magnitude);
  return magnitude;
}

PRECIPICE_INLINE float sum_of_lanes(const FloatLanes& x) {
  float part[8];
  for (int k = 0; k < 8; ++k) part[k] = x[k] + x[k + 8];
  return ((part[0] + part[4]) + (part[2] + part[6])) + ((part[1] + part[5]) + (part[3] + part[7]));
}

// NaN lanes are passed over.
PRECIPICE_INLINE float largest_of_lanes(const FloatLanes& x) {
  float largest = x[0];
  for (int k = 1; k < 16; ++k) largest = x[k] > largest ? x[k] : largest;
  return largest;
}

// x <= 0, in place: e^x; 0 where x < -87.3, which leaves out subnormal results; NaN stays NaN.
PRECIPICE_INLINE void exponential_of_lanes(FloatLanes& x) {
  constexpr float kLog2E = 0x1.715476p+0f, kLowest = -87.3f;  // ln 2^-126 = -87.34
  // 14 high bits of ln 2, so that n times them is exact, and the rest.
  constexpr float kLn2High = 0x1.62e4p-1f, kLn2Low = 0x1.7f7d1cp-20f;
  constexpr float kShift = 0x1.8p23f;  // the sum's low bits are the nearest integer
  const FloatLanes lowest = FloatLanes{} + kLowest, before = x;
  FloatLanes bounded;
  choose_less(before, lowest, FloatLanes{}, before, bounded);
  const FloatLanes shifted = bounded * kLog2E + kShift, n = shifted - kShift;
  const FloatLanes r = (bounded - n * kLn2High) - n * kLn2Low;
  FloatLanes p = r * (1.0f / 5040) + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  // 1 + (r + r^2 p): the last additions see the rounding errors of all others scaled down.
  p = (p * (r * r) + r) + 1.0f;
  IntLanes bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits + 127) << 23;
  FloatLanes power;
  std::memcpy(&power, &bits, sizeof power);
  choose_less(before, lowest, FloatLanes{}, p * power, x);
}

// body(first, count) for groups of lanes; count is a constant but in the last group.
template <class Body>
PRECIPICE_INLINE void for_lanes(std::int64_t size, const Body& body) {
  std::int64_t i = 0;
  for (; i + kFloatLanes <= size; i += kFloatLanes) body(i, kFloatLanes);
  if (i < size) body(i, size - i);
}

}  // namespace precipice
