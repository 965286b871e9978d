// SPDX-License-Identifier: Apache-2.0
#include "metrics/statistics/variance_components.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "precision/base/check.h"
#include "precision/base/special_numbers.h"

namespace precipice {
namespace {

// Means over the runs of each level of the factor whose levels lie `stride` values apart.
std::vector<double> level_means(std::span<const double> values, std::size_t levels, std::size_t stride) {
  std::vector<double> means(levels, 0.0);
  for (std::size_t i = 0; i < values.size(); ++i) means[i / stride % levels] += values[i];
  for (double& mean : means) mean *= static_cast<double>(levels) / static_cast<double>(values.size());
  return means;
}

double squares_about(std::span<const double> values, double mean) {
  double sum = 0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return sum;
}

VarianceComponent component(double value, double degrees) {
  return {value, std::max(0.0, value), degrees};
}

}  // namespace

VarianceComponents variance_components(std::span<const double> values, std::span<const std::size_t> levels) {
  const std::size_t count = std::accumulate(levels.begin(), levels.end(), std::size_t{1}, std::multiplies<>());
  PRECIPICE_CHECK(count == values.size() && count > 0, count, " combinations, ", values.size(), " values");
  const auto n = static_cast<double>(count);
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double rest_squares = squares_about(values, mean), rest_degrees = n - 1;
  std::vector<double> squares;
  std::size_t stride = count;
  for (const std::size_t level_count : levels) {
    stride /= level_count;
    const std::vector<double> means = level_means(values, level_count, stride);
    squares.push_back(squares_about(means, mean) * n / static_cast<double>(level_count));
    rest_squares -= squares.back(), rest_degrees -= static_cast<double>(level_count) - 1;
  }
  VarianceComponents result;
  const double rest = rest_degrees > 0 ? std::max(0.0, rest_squares) / rest_degrees : kNaN;
  result.rest = rest_degrees > 0 ? component(rest, rest_degrees) : VarianceComponent{kNaN, kNaN, 0};
  for (std::size_t f = 0; f < levels.size(); ++f) {
    const double degrees = static_cast<double>(levels[f]) - 1, per_level = n / static_cast<double>(levels[f]);
    const bool is_known = degrees > 0 && rest_degrees > 0;
    result.factors.push_back(is_known ? component((squares[f] / degrees - rest) / per_level, degrees)
                                      : VarianceComponent{kNaN, kNaN, degrees});
  }
  return result;
}

}  // namespace precipice
