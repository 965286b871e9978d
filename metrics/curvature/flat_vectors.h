// SPDX-License-Identifier: Apache-2.0
// Vectors of all parameters, in fp32, as the algorithms of curvature use them: products with an operator that is only
// known by what it does, scalar products in double, and random vectors that are a function of their key.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "precision/rounding/random_bits.h"

namespace precipice {

using FlatVector = std::vector<float>;
// v -> A v, of the size of v; A is symmetric.
using LinearOperator = std::function<FlatVector(std::span<const float>)>;

// In double, in an order that is the same on every machine.
double inner_product(std::span<const float> a, std::span<const float> b);
double euclidean_norm(std::span<const float> a);
bool all_finite(std::span<const float> a);

// a += factor * b, each element rounded once.
void add_scaled(std::span<float> a, double factor, std::span<const float> b);
void scale_by(std::span<float> a, double factor);

// Takes from `v` what lies in the span of orthonormal vectors. Twice: after one pass rounding leaves components of the
// size of the part that was taken (Parlett 1998, section 6.9: twice is enough).
void orthogonalise(std::span<float> v, const std::vector<FlatVector>& orthonormal);

// Normal deviates (Box and Muller 1958), and signs +-1.
FlatVector random_normal(std::int64_t size, const RandomKey& key);
FlatVector random_signs(std::int64_t size, const RandomKey& key);

}  // namespace precipice
