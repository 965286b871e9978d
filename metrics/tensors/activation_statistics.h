// SPDX-License-Identifier: Apache-2.0
// Statistics of what flows through a model, from values that a forward pass has anyway; reading them changes nothing.
//   attention logit   s a_ij for j <= i, a = Q K^T, s = 1 / sqrt(D); the largest (arXiv 2309.14322: above 1e4 every run
//                     diverged)
//   attention entropy mean over rows of -sum_j p_ij log p_ij = -log p_im - sum_j p_ij s (a_ij - a_im), m the row's
//                     largest logit: one logarithm a row, and both terms are >= 0
//   kurtosis          mean (x - mu)^4 / (mean (x - mu)^2)^2: 3 for a normal distribution, large where few elements are
//                     outliers
//   gains of a norm   what MX E4M3 makes of them: those that it rounds to 1, and those above the largest value of their
//                     block (arXiv 2506.20752: gains near 1 share a block scale and are clamped together)
#pragma once

#include <cstdint>
#include <span>

namespace precipice {

struct AttentionStatistics {
  double max_logit;  // NaN where a logit in a row's past is NaN
  double entropy;    // nats
};
// scores, weights: (rows, length), rows a multiple of length; row r sees the first r % length + 1 columns. weights: the
// softmax of scale * scores.
AttentionStatistics attention_statistics(std::span<const float> scores, std::span<const float> weights,
                                         std::int64_t length, double scale);

// NaN where it is not defined: no elements, all equal, or one that is not finite.
double kurtosis(std::span<const float> x);

struct GainStatistics {
  double min, max;        // NaN if any gain is
  double rounded_to_one;  // fraction in [1 - 2^-5, 1 + 2^-4], which E4M3 without a scale rounds to 1
  double clamped;         // fraction above 1.75 * 2^floor(log2 amax) of its block of 32, MX E4M3's largest value
};
GainStatistics gain_statistics(std::span<const float> gains);

}  // namespace precipice
