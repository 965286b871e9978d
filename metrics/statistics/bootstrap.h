// SPDX-License-Identifier: Apache-2.0
// Bootstrap by run (Efron 1979), percentile interval: runs are drawn with replacement, each group separately, never
// single steps of a run, which depend on each other. Draws are words of Philox (precision/rounding/random_bits.h)
// numbered by (seed, resample, group, position): equal input and seed give equal intervals on every machine.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "metrics/statistics/distributions.h"

namespace precipice {

struct BootstrapOptions {
  std::uint64_t seed = 0;
  double confidence = kConfidence;
  std::int64_t resamples = 10'000;
};

struct Bootstrap {
  double estimate = 0;         // of the runs as they are
  Interval interval;           // NaN when a group has fewer than two runs, or where inf and -inf meet
  std::int64_t resamples = 0;  // 0: no interval was tried
  std::int64_t dropped = 0;    // of them, those whose statistic is no number; the interval is of the rest
};

// The statistic of indices drawn from each group: indices[g] has sizes[g] entries below sizes[g].
using ResampledStatistic = std::function<double(std::span<const std::vector<std::size_t>> indices)>;

Bootstrap bootstrap(std::span<const std::size_t> sizes, const ResampledStatistic& statistic,
                    const BootstrapOptions& options);

Bootstrap bootstrap_mean(std::span<const double> values, const BootstrapOptions& options);
// Median of x minus median of y.
Bootstrap bootstrap_median_difference(std::span<const double> x, std::span<const double> y,
                                      const BootstrapOptions& options);

double mean_of(std::span<const double> values);  // NaN for none
double median_of(std::vector<double> values);    // NaN for none
// Quantile of sorted values, linear between order statistics (type 7 of Hyndman and Fan 1996). Between an infinity and
// a finite value lies the infinity; between -inf and inf there is nothing: NaN.
double sorted_quantile(std::span<const double> sorted, double probability);

}  // namespace precipice
