// SPDX-License-Identifier: Apache-2.0
#include "metrics/activation_statistics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "metrics/vector_clones.h"
#include "precision/check.h"

namespace precipice {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kLanes = 16;
constexpr std::size_t kBlock = 32;  // of MX formats

// Sums of x - m, and of its second and fourth powers.
struct Moments {
  double first = 0, second = 0, fourth = 0;
};

// In lanes of fixed order; `size` is a multiple of them.
PRECIPICE_CLONES void add_moments(const float* x, std::size_t size, double mean, Moments& sums) {
  double first[kLanes] = {}, second[kLanes] = {}, fourth[kLanes] = {};
  for (std::size_t i = 0; i < size; i += kLanes)
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const double value = x[i + lane] - mean, square = value * value;
      first[lane] += value;
      second[lane] += square;
      fourth[lane] += square * square;
    }
  for (std::size_t lane = 0; lane < kLanes; ++lane)
    sums.first += first[lane], sums.second += second[lane], sums.fourth += fourth[lane];
}

Moments moments_about(std::span<const float> x, double mean) {
  const std::size_t whole = x.size() / kLanes * kLanes;
  Moments sums;
  add_moments(x.data(), whole, mean, sums);
  for (const float v : x.subspan(whole)) {
    const double value = v - mean, square = value * value;
    sums.first += value, sums.second += square, sums.fourth += square * square;
  }
  return sums;
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
  const double mean = moments_about(x, 0).first / n;
  const Moments sums = moments_about(x, mean);
  const double second = sums.second / n, fourth = sums.fourth / n;
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
