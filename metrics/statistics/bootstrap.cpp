// SPDX-License-Identifier: Apache-2.0
#include "metrics/statistics/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "precision/base/check.h"
#include "precision/base/special_numbers.h"
#include "precision/rounding/random_streams.h"

namespace precipice {
namespace {

std::vector<std::size_t> draw(const RandomKey& key, std::size_t size) {
  std::vector<std::size_t> indices(size);
  for (std::size_t block = 0; 4 * block < size; ++block) {
    const Philox4 words = random_block(key, block);
    // High bits of the product: uneven by at most size / 2^32.
    for (std::size_t i = 4 * block; i < std::min(size, 4 * block + 4); ++i)
      indices[i] = static_cast<std::size_t>((std::uint64_t{words.word[i % 4]} * size) >> 32);
  }
  return indices;
}

std::vector<double> picked(std::span<const double> values, std::span<const std::size_t> indices) {
  std::vector<double> result;
  for (const std::size_t i : indices) result.push_back(values[i]);
  return result;
}

}  // namespace

double mean_of(std::span<const double> values) {
  return values.empty() ? kNaN
                        : std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double sorted_quantile(std::span<const double> sorted, double probability) {
  if (sorted.empty()) return kNaN;
  const double place = probability * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  const double part = place - static_cast<double>(below);
  // Equal neighbours may be infinite, whose difference is none.
  if (part == 0 || sorted[below] == sorted[above]) return sorted[below];
  if (std::isinf(sorted[below])) return std::isinf(sorted[above]) ? kNaN : sorted[below];
  return sorted[below] + part * (sorted[above] - sorted[below]);
}

double median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return sorted_quantile(values, 0.5);
}

Bootstrap bootstrap(std::span<const std::size_t> sizes, const ResampledStatistic& statistic,
                    const BootstrapOptions& options) {
  PRECIPICE_CHECK(options.resamples >= 1 && options.resamples < (std::int64_t{1} << 32), options.resamples);
  std::vector<std::vector<std::size_t>> indices;
  for (const std::size_t size : sizes) {
    indices.emplace_back(size);
    std::iota(indices.back().begin(), indices.back().end(), std::size_t{0});
  }
  Bootstrap result{statistic(indices), {kNaN, kNaN}};
  if (std::any_of(sizes.begin(), sizes.end(), [](std::size_t size) { return size < 2; })) return result;
  std::vector<double> values;
  for (std::int64_t r = 0; r < options.resamples; ++r) {
    for (std::size_t g = 0; g < sizes.size(); ++g)
      indices[g] = draw(random_key(kResampleStream, options.seed, static_cast<std::uint32_t>(r), g), sizes[g]);
    const double value = statistic(indices);
    if (!std::isnan(value)) values.push_back(value);
  }
  std::sort(values.begin(), values.end());
  const double tail = (1 - options.confidence) / 2;
  result.interval = {sorted_quantile(values, tail), sorted_quantile(values, 1 - tail)};
  result.resamples = options.resamples;
  result.dropped = options.resamples - static_cast<std::int64_t>(values.size());
  return result;
}

Bootstrap bootstrap_mean(std::span<const double> values, const BootstrapOptions& options) {
  const std::size_t sizes[] = {values.size()};
  return bootstrap(
      sizes, [&](auto indices) { return mean_of(picked(values, indices[0])); }, options);
}

Bootstrap bootstrap_median_difference(std::span<const double> x, std::span<const double> y,
                                      const BootstrapOptions& options) {
  const std::size_t sizes[] = {x.size(), y.size()};
  return bootstrap(
      sizes, [&](auto indices) { return median_of(picked(x, indices[0])) - median_of(picked(y, indices[1])); },
      options);
}

}  // namespace precipice
