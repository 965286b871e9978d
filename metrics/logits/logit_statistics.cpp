// SPDX-License-Identifier: Apache-2.0
// max |z| and mean log Z: runs in every step, so it must cost little. The extremes are kept in lanes of fixed order,
// which the compiler turns into vectors without being allowed to reorder anything.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "metrics/logits/logit_sharpness.h"
#include "precision/base/check.h"
#include "precision/base/special_numbers.h"

namespace precipice {
namespace {

constexpr std::size_t kRowLanes = 16;

struct Extremes {
  float min = kFloatInfinity;
  float max = -kFloatInfinity;
};

// NaN is passed over: no comparison with it holds.
Extremes extremes(std::span<const float> row) {
  std::array<Extremes, kRowLanes> lanes;
  const auto take = [](Extremes& lane, float z) {
    lane.min = z < lane.min ? z : lane.min;
    lane.max = z > lane.max ? z : lane.max;
  };
  std::size_t i = 0;
  for (; i + kRowLanes <= row.size(); i += kRowLanes)
    for (std::size_t lane = 0; lane < kRowLanes; ++lane) take(lanes[lane], row[i + lane]);
  for (; i < row.size(); ++i) take(lanes[0], row[i]);
  Extremes all;
  for (const Extremes& lane : lanes) all = {std::min(all.min, lane.min), std::max(all.max, lane.max)};
  return all;
}

// log sum exp(z). An infinite maximum is its own answer; NaN comes through.
double log_partition(std::span<const float> row, float max) {
  if (std::isinf(max)) {
    const bool has_nan = std::any_of(row.begin(), row.end(), [](float z) { return std::isnan(z); });
    return has_nan ? std::numeric_limits<double>::quiet_NaN() : max;
  }
  double sum = 0;
  for (const float z : row) sum += std::exp(static_cast<double>(z) - max);
  return max + std::log(sum);
}

}  // namespace

LogitStatistics logit_statistics(std::span<const float> logits, std::int64_t vocabulary) {
  PRECIPICE_CHECK(vocabulary > 0, "vocabulary ", vocabulary);
  const auto width = static_cast<std::size_t>(vocabulary);
  PRECIPICE_CHECK(!logits.empty() && logits.size() % width == 0, logits.size(), " logits");
  LogitStatistics result;
  for (std::size_t start = 0; start < logits.size(); start += width) {
    const std::span<const float> row = logits.subspan(start, width);
    const Extremes e = extremes(row);
    const double log_z = log_partition(row, e.max);
    const double max_logit = std::isnan(log_z) ? log_z : std::max(std::abs(e.min), std::abs(e.max));
    result.log_z += log_z;
    result.max_logit = std::isnan(max_logit) || max_logit > result.max_logit ? max_logit : result.max_logit;
  }
  const std::size_t rows = logits.size() / width;
  result.log_z /= static_cast<double>(rows);
  return result;
}

}  // namespace precipice
