// SPDX-License-Identifier: Apache-2.0
// Sixteen floats at a time for loops that must give the same bits on every machine: every lane does the same
// operations in the same order whatever the vector registers hold, sums go through one tree, nothing is contracted.
// For files that are compiled once per instruction set (row_kernels-inl.h). The lanes are parts as wide as the
// machine's vectors: of wider vectors g++ compares, broadcasts and adds up number by number, through memory.
// The exponential is 2^n times a polynomial (Cody and Waite 1980): x = n ln 2 + r, |r| <= ln 2 / 2 and e^r by its
// Taylor series to r^7 (truncation 2^-27 relative); rounding leaves an error of at most 2 ulp.
#pragma once

#include <cstdint>
#include <cstring>

#include "precision/base/host_device.h"
#include "precision/kernels/vector.h"

// In a namespace of each file's own: the files' lanes differ in their parts.
namespace precipice {
namespace {

constexpr std::int64_t kFloatLanes = 16;
struct FloatLanes {
  using Part = Floats;
  using IntPart = Ints;
  static constexpr int kPartLanes = kWidth, kParts = kFloatLanes / kPartLanes;
  Part part[kParts];

  FloatLanes() = default;
  // All lanes are `value`; less 0, which keeps -0.
  PRECIPICE_ALWAYS FloatLanes(float value) {
    for (Part& p : part) p = value - Part{};
  }
};

PRECIPICE_HD FloatLanes& operator+=(FloatLanes& a, const FloatLanes& b) {
  for (int i = 0; i < FloatLanes::kParts; ++i) a.part[i] += b.part[i];
  return a;
}
PRECIPICE_HD FloatLanes& operator-=(FloatLanes& a, const FloatLanes& b) {
  for (int i = 0; i < FloatLanes::kParts; ++i) a.part[i] -= b.part[i];
  return a;
}
PRECIPICE_HD FloatLanes& operator*=(FloatLanes& a, const FloatLanes& b) {
  for (int i = 0; i < FloatLanes::kParts; ++i) a.part[i] *= b.part[i];
  return a;
}
PRECIPICE_HD FloatLanes& operator/=(FloatLanes& a, const FloatLanes& b) {
  for (int i = 0; i < FloatLanes::kParts; ++i) a.part[i] /= b.part[i];
  return a;
}
PRECIPICE_HD FloatLanes operator+(FloatLanes a, const FloatLanes& b) {
  return a += b;
}
PRECIPICE_HD FloatLanes operator-(FloatLanes a, const FloatLanes& b) {
  return a -= b;
}
PRECIPICE_HD FloatLanes operator*(FloatLanes a, const FloatLanes& b) {
  return a *= b;
}
PRECIPICE_HD FloatLanes operator/(FloatLanes a, const FloatLanes& b) {
  return a /= b;
}

// a < b ? yes : no, lane by lane.
PRECIPICE_HD FloatLanes choose_less(const FloatLanes& a, const FloatLanes& b, const FloatLanes& yes,
                                    const FloatLanes& no) {
  FloatLanes out;
  for (int i = 0; i < FloatLanes::kParts; ++i) out.part[i] = a.part[i] < b.part[i] ? yes.part[i] : no.part[i];
  return out;
}

// Part by part: g++ copies longer objects by 16 bytes, and loads of more than was stored at once must wait.
PRECIPICE_HD FloatLanes load_lanes(const float* from) {
  FloatLanes x;
  for (FloatLanes::Part& part : x.part) std::memcpy(&part, from, sizeof part), from += FloatLanes::kPartLanes;
  return x;
}
// The first `count` lanes; the others are `rest`.
PRECIPICE_HD FloatLanes load_lanes(const float* from, std::int64_t count, float rest) {
  if (count == kFloatLanes) return load_lanes(from);
  FloatLanes x = rest;
  std::memcpy(&x, from, static_cast<std::size_t>(count) * sizeof(float));
  return x;
}
PRECIPICE_HD FloatLanes keep_lanes(const FloatLanes& x, std::int64_t count, float rest) {
  static constexpr float kIndex[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return choose_less(load_lanes(kIndex), static_cast<float>(count), x, rest);
}
// The same where `room` floats may be read, without a copy of `count` floats if all lanes have room.
PRECIPICE_HD FloatLanes load_lanes(const float* from, std::int64_t count, float rest, std::int64_t room) {
  if (count == kFloatLanes || room < kFloatLanes) return load_lanes(from, count, rest);
  return keep_lanes(load_lanes(from), count, rest);
}
PRECIPICE_HD void store_lanes(const FloatLanes& x, float* to) {
  for (const FloatLanes::Part& part : x.part) std::memcpy(to, &part, sizeof part), to += FloatLanes::kPartLanes;
}
PRECIPICE_HD void store_lanes(const FloatLanes& x, std::int64_t count, float* to) {
  if (count == kFloatLanes) return store_lanes(x, to);
  std::memcpy(to, &x, static_cast<std::size_t>(count) * sizeof(float));
}

PRECIPICE_HD FloatLanes magnitude_of_lanes(const FloatLanes& x) {
  FloatLanes out;
  for (int i = 0; i < FloatLanes::kParts; ++i)
    out.part[i] = FloatLanes::Part(FloatLanes::IntPart(x.part[i]) & 0x7FFFFFFF);
  return out;
}

// join over one tree: lanes k and k + 8, then of these k and k + 4, k and k + 2, k and k + 1.
template <class Join>
PRECIPICE_HD float fold_lanes(const FloatLanes& x, const Join& join) {
  using Quad = float __attribute__((vector_size(16)));
  Quad q[4];
  std::memcpy(q, &x, sizeof q);
  const Quad four = join(join(q[0], q[2]), join(q[1], q[3]));
  return join(join(four[0], four[2]), join(four[1], four[3]));
}
PRECIPICE_HD float sum_of_lanes(const FloatLanes& x) {
  return fold_lanes(x, [](const auto& a, const auto& b) PRECIPICE_ALWAYS { return a + b; });
}
// No lane is NaN.
PRECIPICE_HD float largest_of_lanes(const FloatLanes& x) {
  return fold_lanes(x, [](const auto& a, const auto& b) PRECIPICE_ALWAYS { return a < b ? b : a; });
}

// shifted = 1.5 2^23 + n, rounded to a whole n: 2^n for -127 < n < 128.
PRECIPICE_HD FloatLanes power_of_two(const FloatLanes& shifted) {
  FloatLanes out;
  for (int i = 0; i < FloatLanes::kParts; ++i)
    out.part[i] = FloatLanes::Part((FloatLanes::IntPart(shifted.part[i]) + 127) << 23);
  return out;
}

// x <= 0: e^x; 0 where x < -87.3, which leaves out subnormal results; NaN stays NaN.
PRECIPICE_HD FloatLanes exponential_of_lanes(const FloatLanes& x) {
  constexpr float kLog2E = 0x1.715476p+0f, kLowest = -87.3f;  // ln 2^-126 = -87.34
  // 14 high bits of ln 2, so that n times them is exact, and the rest.
  constexpr float kLn2High = 0x1.62e4p-1f, kLn2Low = 0x1.7f7d1cp-20f;
  constexpr float kShift = 0x1.8p23f;  // the sum's low bits are the nearest integer
  const FloatLanes bounded = choose_less(x, kLowest, 0.0f, x);
  const FloatLanes shifted = bounded * kLog2E + kShift, n = shifted - kShift;
  const FloatLanes r = (bounded - n * kLn2High) - n * kLn2Low;
  FloatLanes p = r * (1.0f / 5040) + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  // 1 + (r + r^2 p): the last additions see the rounding errors of all others scaled down.
  p = (p * (r * r) + r) + 1.0f;
  return choose_less(x, kLowest, 0.0f, p * power_of_two(shifted));
}

// body(first, count) for groups of lanes; count is a constant but in the last group.
template <class Body>
PRECIPICE_HD void for_lanes(std::int64_t size, const Body& body) {
  std::int64_t i = 0;
  for (; i + kFloatLanes <= size; i += kFloatLanes) body(i, kFloatLanes);
  if (i < size) body(i, size - i);
}

}  // namespace
}  // namespace precipice
