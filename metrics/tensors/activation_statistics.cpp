// SPDX-License-Identifier: Apache-2.0
#include "metrics/tensors/activation_statistics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "metrics/curvature/vector_clones.h"
#include "precision/base/check.h"
#include "precision/base/special_numbers.h"

namespace precipice {
namespace {

constexpr std::size_t kVectors = 4;  // sums side by side: one waits for its last addition
constexpr std::size_t kMomentLanes = kVectors * kDoubles;
constexpr std::size_t kBlock = 32;  // of MX formats

PRECIPICE_CLONES double sum_of(const float* x, std::size_t size) {
  Doubles sums[kVectors] = {};
  const std::size_t whole = size / kMomentLanes * kMomentLanes;
  for (std::size_t i = 0; i < whole; i += kMomentLanes)
    for (std::size_t k = 0; k < kVectors; ++k) sums[k] += doubles_at(x + i + k * kDoubles);
  double sum = sum_of_lanes((sums[0] + sums[1]) + (sums[2] + sums[3]));
  for (std::size_t i = whole; i < size; ++i) sum += x[i];
  return sum;
}

// Sums of second and fourth powers of x - m.
struct Moments {
  double second = 0, fourth = 0;
};

PRECIPICE_CLONES Moments moments_about(const float* x, std::size_t size, double mean) {
  Doubles second[kVectors] = {}, fourth[kVectors] = {};
  const std::size_t whole = size / kMomentLanes * kMomentLanes;
  for (std::size_t i = 0; i < whole; i += kMomentLanes)
    for (std::size_t k = 0; k < kVectors; ++k) {
      const Doubles value = doubles_at(x + i + k * kDoubles) - mean, square = value * value;
      second[k] += square;
      fourth[k] += square * square;
    }
  Moments sums{sum_of_lanes((second[0] + second[1]) + (second[2] + second[3])),
               sum_of_lanes((fourth[0] + fourth[1]) + (fourth[2] + fourth[3]))};
  for (std::size_t i = whole; i < size; ++i) {
    const double value = x[i] - mean, square = value * value;
    sums.second += square, sums.fourth += square * square;
  }
  return sums;
}

float largest(std::span<const float> x) {
  float max = x[0];
  for (const float value : x) max = std::isnan(value) || value > max ? value : max;
  return max;
}

// Of a row of logits s and weights p: the largest weight, and sum of p (max - s). A logit of minus infinity has no
// weight, and 0 times infinity is no number.
struct RowSums {
  double heaviest, below;
};

PRECIPICE_CLONES RowSums row_sums(const float* scores, const float* weights, std::size_t size, double max) {
  Doubles heaviest = {}, below = {};
  const std::size_t whole = size / kDoubles * kDoubles;
  for (std::size_t j = 0; j < whole; j += kDoubles) {
    const Doubles p = doubles_at(weights + j), under = p * (max - doubles_at(scores + j));
    heaviest = p > heaviest ? p : heaviest;
    below += p != 0 ? under : Doubles{};
  }
  RowSums sums{0, sum_of_lanes(below)};
  for (std::size_t lane = 0; lane < kDoubles; ++lane) sums.heaviest = std::max(sums.heaviest, heaviest[lane]);
  for (std::size_t j = whole; j < size; ++j) {
    const double p = weights[j];
    sums.heaviest = std::max(sums.heaviest, p);
    if (p != 0) sums.below += p * (max - scores[j]);
  }
  return sums;
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
    const RowSums sums = row_sums(logits.data(), weights.data() + row * width, past, highest);
    entropy += scale * sums.below - std::log(sums.heaviest);
  }
  return {max, entropy / static_cast<double>(rows)};
}

double kurtosis(std::span<const float> x) {
  if (x.empty()) return kNaN;
  const auto n = static_cast<double>(x.size());
  const double mean = sum_of(x.data(), x.size()) / n;
  const Moments sums = moments_about(x.data(), x.size(), mean);
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
