// SPDX-License-Identifier: Apache-2.0
// A random subspace x + A u of an n-dimensional space: Keskar et al. 2017 (arXiv 1609.04836), section 2.2.2, with A of
// n rows and p columns and the box |u_i| <= eps (|(A^+ x)_i| + 1). The paper says of A that its "columns are randomly
// generated"; here all entries are independent normal deviates of variance 1, a function of the key. A^+ is the
// pseudo-inverse (A'A)^-1 A', by Cholesky of A'A. Memory: 4 n p bytes; A^+ takes n p^2 / 2 multiplications once.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "metrics/curvature/flat_vectors.h"

namespace precipice {

class RandomSubspace {
 public:
  // 1 <= dimension <= size, dimension < 2^16. Column j draws from the stream of operand key.operand + j.
  RandomSubspace(std::int64_t size, std::int64_t dimension, const RandomKey& key);

  std::size_t size() const { return columns_[0].size(); }
  std::size_t dimension() const { return columns_.size(); }
  // A u
  std::vector<double> combination(std::span<const double> u) const;
  // A' g
  std::vector<double> products(std::span<const double> g) const;
  // A^+ x
  std::vector<double> coordinates(std::span<const double> x) const;

 private:
  std::vector<FlatVector> columns_;
  std::vector<double> factor_;  // L of A'A = L L', (p, p) row-major, lower triangle
};

// eps (|x_i| + 1): the half-widths of Keskar's box, of the whole space or of coordinates.
std::vector<double> box_half_widths(std::span<const double> x, double epsilon);

}  // namespace precipice
