// SPDX-License-Identifier: Apache-2.0
#include "metrics/curvature/random_subspace.h"

#include <cmath>

#include "precision/base/check.h"

namespace precipice {
namespace {

// Four sums, so that additions do not wait for each other; the same order on every machine.
double product(std::span<const float> a, std::span<const double> b) {
  double sums[4] = {};
  for (std::size_t i = 0; i < a.size(); ++i) sums[i % 4] += double{a[i]} * b[i];
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

}  // namespace

RandomSubspace::RandomSubspace(std::int64_t size, std::int64_t dimension, const RandomKey& key) {
  PRECIPICE_CHECK(dimension >= 1 && dimension <= size && dimension < (1 << 16), dimension, " of ", size);
  for (std::int64_t j = 0; j < dimension; ++j) {
    RandomKey column = key;
    column.operand = static_cast<std::uint16_t>(key.operand + j);
    columns_.push_back(random_normal(size, column));
  }
  const std::size_t p = columns_.size();
  factor_.resize(p * p);
  for (std::size_t row = 0; row < p; ++row) {
    for (std::size_t column = 0; column <= row; ++column) {
      double rest = inner_product(columns_[row], columns_[column]);
      for (std::size_t k = 0; k < column; ++k) rest -= factor_[row * p + k] * factor_[column * p + k];
      factor_[row * p + column] = column == row ? std::sqrt(rest) : rest / factor_[column * p + column];
    }
  }
}

std::vector<double> RandomSubspace::combination(std::span<const double> u) const {
  std::vector<double> sum(size());
  for (std::size_t j = 0; j < dimension(); ++j)
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += u[j] * double{columns_[j][i]};
  return sum;
}

std::vector<double> RandomSubspace::products(std::span<const double> g) const {
  std::vector<double> result;
  for (const FlatVector& column : columns_) result.push_back(product(column, g));
  return result;
}

std::vector<double> RandomSubspace::coordinates(std::span<const double> x) const {
  const std::size_t p = dimension();
  std::vector<double> u = products(x);
  for (std::size_t row = 0; row < p; ++row) {
    for (std::size_t k = 0; k < row; ++k) u[row] -= factor_[row * p + k] * u[k];
    u[row] /= factor_[row * p + row];
  }
  for (std::size_t row = p; row-- > 0;) {
    for (std::size_t k = row + 1; k < p; ++k) u[row] -= factor_[k * p + row] * u[k];
    u[row] /= factor_[row * p + row];
  }
  return u;
}

std::vector<double> box_half_widths(std::span<const double> x, double epsilon) {
  std::vector<double> widths;
  widths.reserve(x.size());
  for (const double value : x) widths.push_back(epsilon * (std::abs(value) + 1));
  return widths;
}

}  // namespace precipice
