// SPDX-License-Identifier: Apache-2.0
// Attention, kurtosis and gains against their definitions, by hand and by the plain sum.
#include "metrics/tensors/activation_statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "precision/rounding/random_bits.h"
#include "tests/support/catch.h"

using namespace precipice;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

}  // namespace

TEST_CASE("entropy and largest logit of attention are those of the causal softmax, and the future is never read") {
  const std::int64_t length = 7, rows = 3 * length;
  const double scale = 0.25;
  std::vector<float> scores, weights;
  double expected = 0, largest = -1e9;
  for (std::int64_t row = 0; row < rows; ++row) {
    std::vector<double> p;
    double sum = 0;
    for (std::int64_t j = 0; j < length; ++j) {
      const auto element = static_cast<std::uint64_t>(row * length + j);
      const float a = static_cast<float>(random_word({1, 0, 0, 0}, element) * 0x1p-32 * 80 - 40);
      const bool past = j <= row % length;
      scores.push_back(past ? a : kNan);
      p.push_back(past ? std::exp(scale * a) : 0.0);
      sum += p.back();
      if (past) largest = std::max(largest, scale * a);
    }
    for (const double x : p) {
      weights.push_back(static_cast<float>(x / sum));
      if (x > 0) expected -= x / sum * std::log(x / sum);
    }
  }
  const AttentionStatistics s = attention_statistics(scores, weights, length, scale);
  CHECK(s.max_logit == largest);
  // Weights are rounded to fp32: 6e-8 of each term, which are at most 20.
  CHECK(s.entropy == Approx(expected / static_cast<double>(rows)).epsilon(2e-6));
}

TEST_CASE("uniform attention has the entropy of its length, attention to one place none") {
  const std::vector<float> equal(16, 3.0f);
  std::vector<float> uniform, single;
  double expected = 0;
  for (int i = 1; i <= 4; ++i) {
    for (int j = 1; j <= 4; ++j) uniform.push_back(j <= i ? 1.0f / static_cast<float>(i) : 0.0f);
    for (int j = 1; j <= 4; ++j) single.push_back(j == 1 ? 1.0f : 0.0f);
    expected += std::log(i) / 4;
  }
  CHECK(attention_statistics(equal, uniform, 4, 1.0).entropy == Approx(expected).epsilon(1e-7));  // 1/3 in fp32
  std::vector<float> masked(16, -kInfinity);
  for (std::size_t row = 0; row < 4; ++row) masked[row * 4] = 1;
  CHECK(attention_statistics(masked, single, 4, 1.0).entropy == 0);
  CHECK(attention_statistics(masked, single, 4, 1.0).max_logit == 1);
}

TEST_CASE("a NaN in the past makes both attention statistics NaN") {
  const std::vector<float> scores{1, 0, kNan, 2}, weights{1, 0, kNan, kNan};
  CHECK(std::isnan(attention_statistics(scores, weights, 2, 1.0).max_logit));
  CHECK(std::isnan(attention_statistics(scores, weights, 2, 1.0).entropy));
}

TEST_CASE("kurtosis is that of hand-made samples") {
  CHECK(kurtosis(std::vector<float>{-1, 1, -1, 1}) == 1);
  CHECK(kurtosis(std::vector<float>{4, 6, 4, 6}) == 1);  // wherever the mean lies
  // Mean 0; second moment 8/5, fourth 32/5.
  CHECK(kurtosis(std::vector<float>{-2, 0, 0, 0, 2}) == Approx(2.5).epsilon(1e-15));
  // One outlier among n: (n - 1)^3 + 1 over n (n - 1), for n = 100.
  std::vector<float> outlier(100, 0.0f);
  outlier[37] = 1e6f;
  CHECK(kurtosis(outlier) == Approx((99.0 * 99 * 99 + 1) / (100.0 * 99)).epsilon(1e-12));
}

TEST_CASE("kurtosis without a spread, without elements or with a NaN is not defined") {
  CHECK(std::isnan(kurtosis(std::vector<float>(50, 0.1f))));
  CHECK(std::isnan(kurtosis(std::vector<float>{})));
  CHECK(std::isnan(kurtosis(std::vector<float>{1, kNan, 2})));
  CHECK(std::isnan(kurtosis(std::vector<float>{1, kInfinity, 2})));
}

TEST_CASE("gains are counted as MX E4M3 treats them") {
  // 0.97 and 1.0625 round to 1 in E4M3 (steps of 1/16 below 1, of 1/8 above; ties to even), 0.96 and 1.07 do not.
  const GainStatistics s = gain_statistics(std::vector<float>{0.97f, 1.0625f, 0.96f, 1.07f});
  CHECK(s.min == Approx(0.96f));
  CHECK(s.max == Approx(1.07f));
  CHECK(s.rounded_to_one == 0.5);
  CHECK(s.clamped == 0);
  // The ends themselves are ties, and 1 is the even one of both.
  CHECK(gain_statistics(std::vector<float>{1 - 0x1p-5f, 1 + 0x1p-4f}).rounded_to_one == 1);
  CHECK(gain_statistics(std::vector<float>{1 - 0x1.02p-5f, 1 + 0x1.02p-4f}).rounded_to_one == 0);
  // Floor rule: a block with amax in [1, 2) has 1.75 as its largest value.
  CHECK(gain_statistics(std::vector<float>{1.75f, 1.76f, -1.9f, 0.5f}).clamped == 0.5);
  // Two blocks: in the second one everything lies below 1, and 0.875 is its largest value.
  std::vector<float> two(64, 0.9f);
  for (std::size_t i = 0; i < 32; ++i) two[i] = 1.0f;
  CHECK(gain_statistics(two).clamped == 0.5);
  // 32 gains share a scale: 1.0 in the first half lets 0.9 in the second pass.
  CHECK(gain_statistics(std::span(two).subspan(16, 32)).clamped == 0);
  CHECK(std::isnan(gain_statistics(std::vector<float>{1, kNan}).min));
}
