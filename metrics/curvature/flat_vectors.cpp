// SPDX-License-Identifier: Apache-2.0
#include "metrics/curvature/flat_vectors.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "precision/base/check.h"

namespace precipice {

double inner_product(std::span<const float> a, std::span<const float> b) {
  PRECIPICE_CHECK(a.size() == b.size(), a.size(), " and ", b.size(), " elements");
  constexpr std::size_t kLanes = 8;  // of vector instructions
  double lanes[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= a.size(); i += kLanes)
    for (std::size_t k = 0; k < kLanes; ++k) lanes[k] += double{a[i + k]} * double{b[i + k]};
  for (; i < a.size(); ++i) lanes[i % kLanes] += double{a[i]} * double{b[i]};
  return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) + ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
}

double euclidean_norm(std::span<const float> a) {
  return std::sqrt(inner_product(a, a));
}

bool all_finite(std::span<const float> a) {
  return std::all_of(a.begin(), a.end(), [](float x) { return std::isfinite(x); });
}

void add_scaled(std::span<float> a, double factor, std::span<const float> b) {
  PRECIPICE_CHECK(a.size() == b.size(), a.size(), " and ", b.size(), " elements");
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>(double{a[i]} + factor * double{b[i]});
}

void scale_by(std::span<float> a, double factor) {
  for (float& x : a) x = static_cast<float>(factor * double{x});
}

void orthogonalise(std::span<float> v, const std::vector<FlatVector>& orthonormal) {
  for (int pass = 0; pass < 2; ++pass)
    for (const FlatVector& q : orthonormal) add_scaled(v, -inner_product(q, v), q);
}

FlatVector random_normal(std::int64_t size, const RandomKey& key) {
  FlatVector values(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < values.size(); i += 4) {
    const Philox4 block = random_block(key, i / 4);
    for (std::size_t pair = 0; pair < 2; ++pair) {
      // u1 in (0, 1], so that its logarithm is finite.
      const double u1 = (block.word[2 * pair] + 1.0) * 0x1p-32, u2 = block.word[2 * pair + 1] * 0x1p-32;
      const double radius = std::sqrt(-2.0 * std::log(u1)), angle = 2.0 * std::numbers::pi * u2;
      const std::size_t at = i + 2 * pair;
      if (at < values.size()) values[at] = static_cast<float>(radius * std::cos(angle));
      if (at + 1 < values.size()) values[at + 1] = static_cast<float>(radius * std::sin(angle));
    }
  }
  return values;
}

FlatVector random_signs(std::int64_t size, const RandomKey& key) {
  FlatVector values(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < values.size(); i += 128) {
    const Philox4 block = random_block(key, i / 128);
    for (std::size_t bit = 0; bit < 128 && i + bit < values.size(); ++bit)
      values[i + bit] = block.word[bit / 32] >> (bit % 32) & 1 ? 1.0f : -1.0f;
  }
  return values;
}

}  // namespace precipice
