// SPDX-License-Identifier: Apache-2.0
#include "metrics/curvature/trace_estimate.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "precision/base/check.h"
#include "precision/base/special_numbers.h"
#include "precision/rounding/random_streams.h"

namespace precipice {
namespace {

// Adds to an orthonormal set what a vector has outside it; nothing where that is rounding.
void extend(std::vector<FlatVector>& orthonormal, FlatVector v) {
  const double before = euclidean_norm(v);
  orthogonalise(v, orthonormal);
  const double left = euclidean_norm(v);
  if (!(left > 1e-5 * before)) return;
  scale_by(v, 1 / left);
  orthogonalise(v, orthonormal);
  orthonormal.push_back(std::move(v));
}

}  // namespace

TraceEstimate estimate_trace(const LinearOperator& apply, std::int64_t size, std::int64_t products,
                             std::uint64_t seed) {
  PRECIPICE_CHECK(products >= 6, products, " products; two probes need 6");
  TraceEstimate result;
  const std::int64_t third = products / 3;
  const auto failed = [&] {
    result.trace = result.standard_error = kNaN;
    result.reason = "a product with the operator is not finite";
    return result;
  };
  // v^T A v, or nothing.
  const auto quadratic = [&](std::span<const float> v) -> std::optional<double> {
    ++result.products;
    const double value = inner_product(v, apply(v));
    return std::isfinite(value) ? std::optional(value) : std::nullopt;
  };

  std::vector<FlatVector> q;
  for (std::int64_t i = 0; i < std::min(third, size); ++i) {
    ++result.products;
    FlatVector column = apply(random_normal(size, random_key(kTraceStream, seed, static_cast<std::uint32_t>(i), 0, 0)));
    if (!all_finite(column)) return failed();
    extend(q, std::move(column));
  }
  for (const FlatVector& v : q) {
    const auto value = quadratic(v);
    if (!value) return failed();
    result.trace += *value;
  }
  if (static_cast<std::int64_t>(q.size()) == size) return result;

  double sum = 0, squares = 0;
  for (std::int64_t i = 0; i < third; ++i) {
    FlatVector g = random_signs(size, random_key(kTraceStream, seed, static_cast<std::uint32_t>(i), 0, 1));
    orthogonalise(g, q);
    const auto value = quadratic(g);
    if (!value) return failed();
    sum += *value;
    squares += *value * *value;
  }
  const auto n = static_cast<double>(third);
  result.trace += sum / n;
  result.standard_error = std::sqrt(std::max(0.0, squares / n - sum / n * (sum / n)) / (n - 1));
  return result;
}

}  // namespace precipice
