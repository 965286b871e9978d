// SPDX-License-Identifier: Apache-2.0
#include "train/curvature/spectrum.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "metrics/curvature/lanczos.h"
#include "precision/base/special_numbers.h"
#include "precision/rounding/random_streams.h"

namespace precipice {
namespace {

constexpr const char* kNotFinite = "a product with the operator is not finite";

// Eigenvalues of T, ascending, and its eigenvectors as columns.
struct SmallEigen {
  std::vector<double> values;
  std::vector<double> vectors;  // row-major: component i of eigenvector j at [i * size + j]
  std::size_t size;
  double component(std::size_t i, std::size_t j) const { return vectors[i * size + j]; }
};

SmallEigen eigen_of(const Lanczos& process) {
  const std::int64_t size = process.steps();
  at::Tensor t = at::zeros({size, size}, at::TensorOptions(at::kDouble));
  double* entries = t.mutable_data_ptr<double>();
  for (std::int64_t i = 0; i < size; ++i) {
    entries[i * size + i] = process.diagonal()[static_cast<std::size_t>(i)];
    if (i + 1 < size)
      entries[i * size + i + 1] = entries[(i + 1) * size + i] = process.off_diagonal()[static_cast<std::size_t>(i)];
  }
  const auto [values, vectors] = at::linalg_eigh(t);
  const at::Tensor rows = vectors.contiguous();
  const double *v = values.const_data_ptr<double>(), *w = rows.const_data_ptr<double>();
  return {{v, v + size}, {w, w + size * size}, static_cast<std::size_t>(size)};
}

void fix_sign(FlatVector& v) {
  const auto largest = std::max_element(v.begin(), v.end(), [](float a, float b) { return std::abs(a) < std::abs(b); });
  if (largest != v.end() && *largest < 0) scale_by(v, -1);
}

// What T says so far.
void read_ends(const Lanczos& process, const SmallEigen& eigen, std::int64_t size, const TopOptions& options,
               TopSpectrum& result) {
  const double beta = process.off_diagonal().back();
  const std::size_t last = eigen.size - 1, count = std::min(static_cast<std::size_t>(options.count), eigen.size);
  const auto residual = [&](std::size_t j) { return beta * std::abs(eigen.component(last, j)); };
  const auto error = [&](std::size_t j) {
    const double above = j < last ? eigen.values[j + 1] - eigen.values[j] : std::numeric_limits<double>::infinity();
    const double below = j > 0 ? eigen.values[j] - eigen.values[j - 1] : std::numeric_limits<double>::infinity();
    const double r = residual(j), gap = std::min(above, below);
    return gap > r ? r * r / gap : r;
  };
  result.values.clear();
  result.residuals.clear();
  result.errors.clear();
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t j = last - i;
    result.values.push_back(eigen.values[j]);
    result.residuals.push_back(residual(j));
    result.errors.push_back(error(j));
  }
  result.smallest = eigen.values.front();
  result.smallest_residual = residual(0);
  result.smallest_error = error(0);
  const double enough = options.tolerance * std::max(std::abs(eigen.values.front()), std::abs(eigen.values.back()));
  const bool is_whole = process.steps() == size;
  result.largest_converged = is_whole || *std::max_element(result.errors.begin(), result.errors.end()) <= enough;
  result.smallest_converged = is_whole || result.smallest_error <= enough;
}

}  // namespace

TopSpectrum top_spectrum(const LinearOperator& apply, std::int64_t size, const TopOptions& options) {
  TopSpectrum result;
  const std::int64_t limit = options.max_products > 0 ? options.max_products : 10 * options.count + 20;
  Lanczos process(apply, size, random_key(kTopSpectrumStream, options.seed));
  SmallEigen eigen;
  const auto is_enough = [&] { return result.largest_converged && (result.smallest_converged || !options.both_ends); };
  while (result.products < limit && !is_enough()) {
    if (!process.step()) break;
    ++result.products;
    // Fewer steps than values can have no bounds for all of them.
    if (process.steps() < std::min(options.count + 1, size)) continue;
    eigen = eigen_of(process);
    read_ends(process, eigen, size, options, result);
  }
  if (!process.is_finite()) {
    result = {};
    result.smallest = result.smallest_residual = result.smallest_error = kNaN;
    result.products = process.steps() + 1;
    result.reason = kNotFinite;
    return result;
  }
  if (eigen.values.size() != static_cast<std::size_t>(process.steps())) {
    eigen = eigen_of(process);  // the process ended early
    read_ends(process, eigen, size, options, result);
  }
  for (std::size_t i = 0; options.vectors && i < result.values.size(); ++i) {
    std::vector<double> coefficients(eigen.size);
    for (std::size_t k = 0; k < eigen.size; ++k) coefficients[k] = eigen.component(k, eigen.size - 1 - i);
    FlatVector vector = process.combine(coefficients);
    scale_by(vector, 1 / euclidean_norm(vector));
    fix_sign(vector);
    result.vectors.push_back(std::move(vector));
  }
  return result;
}

SpectralDensity spectral_density(const LinearOperator& apply, std::int64_t size, const DensityOptions& options) {
  SpectralDensity result;
  double lowest = std::numeric_limits<double>::infinity(), highest = -lowest;
  for (std::int64_t run = 0; run < options.vectors; ++run) {
    const RandomKey key = random_key(kDensityStream, options.seed, 0, 0, static_cast<std::uint64_t>(run));
    // Signs rather than normals: the quadrature's first moment is then Hutchinson's estimate with the least variance.
    Lanczos process(apply, random_signs(size, key), key);
    for (std::int64_t step = 0; step < options.steps && process.step(); ++step) ++result.products;
    if (!process.is_finite()) {
      result.reason = kNotFinite;
      result.nodes.clear();
      result.weights.clear();
      result.sigma = result.trace_per_parameter = kNaN;
      return result;
    }
    const SmallEigen eigen = eigen_of(process);
    std::vector<double> weights;
    for (std::size_t j = 0; j < eigen.size; ++j) {
      weights.push_back(eigen.component(0, j) * eigen.component(0, j));
      result.trace_per_parameter += weights.back() * eigen.values[j] / static_cast<double>(options.vectors);
    }
    lowest = std::min(lowest, eigen.values.front());
    highest = std::max(highest, eigen.values.back());
    result.nodes.push_back(eigen.values);
    result.weights.push_back(std::move(weights));
  }
  const double range = std::max(highest - lowest, 1e-12 * std::max(std::abs(highest), 1e-12));
  result.sigma = range / static_cast<double>(options.steps);
  // Four deviations beyond the outer nodes hold all but 6e-5 of the mass.
  const double begin = lowest - 4 * result.sigma, end = highest + 4 * result.sigma;
  for (std::int64_t point = 0; point < options.points; ++point) {
    const double t = begin + (end - begin) * static_cast<double>(point) / static_cast<double>(options.points - 1);
    double sum = 0;
    for (std::size_t run = 0; run < result.nodes.size(); ++run)
      for (std::size_t i = 0; i < result.nodes[run].size(); ++i) {
        const double z = (t - result.nodes[run][i]) / result.sigma;
        sum += result.weights[run][i] * std::exp(-0.5 * z * z);
      }
    result.values.push_back(t);
    result.density.push_back(sum /
                             (result.sigma * std::sqrt(2 * std::numbers::pi) * static_cast<double>(options.vectors)));
  }
  return result;
}

}  // namespace precipice
