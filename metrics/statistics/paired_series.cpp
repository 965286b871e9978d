// SPDX-License-Identifier: Apache-2.0
#include "metrics/statistics/paired_series.h"

#include <cmath>

#include "precision/base/check.h"

namespace precipice {

std::vector<BandPoint> simultaneous_band(std::span<const WindowMeans> differences, double confidence) {
  std::vector<BandPoint> band;
  if (differences.empty()) return band;
  const std::size_t windows = differences.front().size();
  const double of_each = 1 - (1 - confidence) / static_cast<double>(windows);
  for (std::size_t w = 0; w < windows; ++w) {
    std::vector<double> values;
    for (const WindowMeans& seed : differences) {
      PRECIPICE_CHECK(seed.size() == windows, seed.size(), " windows beside ", windows);
      if (std::isfinite(seed[w])) values.push_back(seed[w]);
    }
    BandPoint point{paired_t(values, 0, of_each), false};
    point.departs = point.difference.interval.low > 0 || point.difference.interval.high < 0;
    band.push_back(point);
  }
  return band;
}

std::int64_t first_departure(std::span<const double> ratios, double low, double high) {
  for (std::size_t w = 0; w < ratios.size(); ++w)
    if (ratios[w] < low || ratios[w] > high) return static_cast<std::int64_t>(w);
  return -1;
}

DepartureOrder compare_departures(std::span<const std::int64_t> first, std::span<const std::int64_t> second) {
  PRECIPICE_CHECK(first.size() == second.size(), first.size(), " and ", second.size(), " seeds");
  DepartureOrder order;
  for (std::size_t s = 0; s < first.size(); ++s) {
    if (first[s] < 0 && second[s] < 0)
      ++order.neither;
    else if (first[s] == second[s])
      ++order.together;
    else if (second[s] < 0 || (first[s] >= 0 && first[s] < second[s]))
      ++order.first_earlier;
    else
      ++order.second_earlier;
  }
  order.p = two_sided_sign_p(order.first_earlier, order.second_earlier);
  return order;
}

}  // namespace precipice
