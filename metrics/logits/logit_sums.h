// SPDX-License-Identifier: Apache-2.0
// The sums behind the logit sharpness of a long row, one pass for all epsilons: with m the largest logit but the
// target's,
//   base = sum_{i != t} e^{z_i - m},   rise_k = sum_{i != t} e^{z_i - m} expm1(eps_k (|z_i| + 1))
// so that D = log1p(rise / base) + eps (|z_t| + 1). The exponential is 2^n times a polynomial (Cody and Waite 1980: |r|
// <= ln 2 / 2, 13 terms, error below 4e-16 relative), expm1 its Taylor series up to kMaxBox, where 9 terms are exact to
// 1e-17. In lanes of fixed order: every instruction set gives the same bits.
#pragma once

#include <cstddef>
#include <span>

namespace precipice {

inline constexpr double kMaxBox = 1.0 / 16;  // largest eps (|z| + 1)
inline constexpr std::size_t kMaxBoxes = 16;

struct RowExtremes {
  float low, high;  // of the logits that are not -inf; high < low where there are none
  bool is_bad;      // NaN or +inf somewhere
};
RowExtremes row_extremes(std::span<const float> logits);

// Adds to base and rises[k] what these logits give; -inf gives nothing. epsilons[k] (|z_i| + 1) <= kMaxBox, all z_i <=
// m.
void add_logit_sums(std::span<const float> logits, double m, std::span<const double> epsilons, double& base,
                    std::span<double> rises);

}  // namespace precipice
