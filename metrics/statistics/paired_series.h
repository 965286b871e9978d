// SPDX-License-Identifier: Apache-2.0
// Series (sharpness, loss, a norm) of two formats on the same seeds, window by window of the steps.
//   band: the paired t interval of each window's mean difference at the confidence 1 - alpha / W for W windows
//     (Bonferroni), so that all windows hold their mean together with the confidence 1 - alpha
//   which leaves first: per seed the first window where the ratio to the reference leaves [low, high], for two series; a
//     seed in which A leaves earlier speaks for A, later for B, in the same window or in none for neither: sign test. A
//     series that never leaves is censored at the end of the run, after all windows.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "metrics/statistics/paired.h"
#include "metrics/statistics/signed_ranks.h"

namespace precipice {

// Means of one run's series over each window; NaN for a window without a value.
using WindowMeans = std::vector<double>;

struct BandPoint {
  PairedT difference;    // its interval has the simultaneous confidence; pairs without both values are left out
  bool departs = false;  // the interval does not hold 0
};
// differences[s][w]: seed s, window w, all seeds with as many windows.
std::vector<BandPoint> simultaneous_band(std::span<const WindowMeans> differences, double confidence = kConfidence);

// The first window whose ratio lies outside [low, high]; -1 for none. NaN says nothing; +-inf is outside.
std::int64_t first_departure(std::span<const double> ratios, double low, double high);

struct DepartureOrder {
  std::int64_t first_earlier = 0, second_earlier = 0, together = 0, neither = 0;  // seeds
  double p = 1;                                                                   // two-sided sign test
};
// Windows of first departure per seed, -1 for none; both of one length.
DepartureOrder compare_departures(std::span<const std::int64_t> first, std::span<const std::int64_t> second);

}  // namespace precipice
