// SPDX-License-Identifier: Apache-2.0
#include "metrics/activation_statistics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "precision/check.h"

namespace precipice {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kLanes = 16;
constexpr std::size_t kBlock = 32;  // of MX formats

// Sum of f(x_i) in lanes of fixed order, which the compiler may turn into vectors.
template <class F>
double sum_of(std::span<const float> x, const F& f) {
  std::array<double, kLanes> lanes{};
  std::size_t i = 0;
  for (; i + kLanes <= x.size(); i += kLanes)
    for (std::size_t lane = 0; lane < kLanes; ++lane) lanes[lane] += f(x[i + lane]);
  for (; i < x.size(); ++i) lanes[0] += f(x[i]);
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

float largest(std::span<const float> x) {
  float max = x[0];
  for (const float value : x) max = std::isnan(value) || value > max ? value : max;
  return max;
}

double row_entropy(std::span<const float> scores, std::span<const float> weights, float max, double scale) {
  double heaviest = 0, below = 0;
  for (std::size_t j = 0; j < scores.size(); ++j) {
    const double p = weights[j];
    heaviest = p > heaviest ? p : heaviest;
    // A logit of minus infinity has no weight, and 0 times infinity is no number.
    if (p != 0) below += p * (scale * (double{max} - scores[j]));
  }
  return below - std::log(heaviest);
}

}  // namespace

AttentionStatistics attention_statistics(std::span<const float> scores, std::span<const float> weights,
                                         std::int64_t length, double scale) {
  const auto width = static_cast<std::size_t>(length);
  PRECIPICE_CHECK(width > 0 && !scores.empty() && scores.size() == weights.size() && scores.size() % width == 0,
                  scores.size(), " scores in rows of ", length);
  double max = -std::numeric_limits<double>::infinity(), entropy = 0;
  const std::size_t rows = scores.size() / width;
  for (std::size_t row = 0; row < rows; ++row) {
    const std::size_t past = row % width + 1;
    const auto logits = scores.subspan(row * width, past);
    const float highest = largest(logits);
    max = std::isnan(highest) || scale * highest > max ? scale * highest : max;
    entropy += row_entropy(logits, weights.subspan(row * width, past), highest, scale);
  }
  return {max, entropy / static_cast<double>(rows)};
}

double kurtosis(std::span<const float> x) {
  if (x.empty()) return kNaN;
  const auto n = static_cast<double>(x.size());
  const double mean = sum_of(x, [](double v) { return v; }) / n;
  const double second = sum_of(x, [mean](double v) { return (v - mean) * (v - mean); }) / n;
  const double fourth = sum_of(x,
                               [mean](double v) {
                                 const double square = (v - mean) * (v - mean);
                                 return square * square;
                               }) /
                        n;
  // Equal elements leave a deviation of rounding errors, whose kurtosis says nothing.
  const bool is_constant = second <= 1e-28 * mean * mean;
  return is_constant ? kNaN : fourth / (second * second);
}

GainStatistics gain_statistics(std::span<const float> gains) {
  PRECIPICE_CHECK(!gains.empty(), "a norm without gains");
  GainStatistics result{gains[0], gains[0], 0, 0};
  std::size_t ones = 0, clamped = 0;
  for (std::size_t start = 0; start < gains.size(); start += kBlock) {
    const auto block = gains.subspan(start, std::min(kBlock, gains.size() - start));
    float amax = 0;
    for (const float g : block) amax = std::max(amax, std::abs(g));
    const double limit = amax > 0 && std::isfinite(amax) ? std::ldexp(1.75, std::ilogb(amax)) : kNaN;
    for (const float g : block) {
      if (std::isnan(g)) return {kNaN, kNaN, kNaN, kNaN};
      result.min = std::min(result.min, double{g});
      result.max = std::max(result.max, double{g});
      ones += g >= 1 - 0x1p-5f && g <= 1 + 0x1p-4f;
      clamped += std::abs(g) > limit;
    }
  }
  result.rounded_to_one = static_cast<double>(ones) / static_cast<double>(gains.size());
  result.clamped = static_cast<double>(clamped) / static_cast<double>(gains.size());
  return result;
}

}  // namespace precipice
