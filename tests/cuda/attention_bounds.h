// SPDX-License-Identifier: Apache-2.0
// Attention in binary64, and for each result how far one of bf16 operands with sums in fp32 may be from it. With e = 2^-22,
// what an addition of a tensor core loses at most of the magnitudes that it adds (Fasi et al., PeerJ CS 2021), sums of n
// terms are off by n e sum |terms|; bf16 weights and their gradients by 2^-8 of themselves. To first order in these:
//   s: D e sum |q k|                     p: p r, r = 2 max_j c (error of s_ij) + 2^-17      dp: D e sum |do v|
//   delta: sum p (|dp| (r + T e) + error of dp)
//   ds: c p (|dp - delta| (2^-8 + r) + error of dp + error of delta)
// 2^-17: the exponential's 2 ulp and the roundings of c s - m, which is above -87 where p is not 0, and of the total.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "tests/cuda/attention_comparison.h"

namespace precipice::test {

struct NumberWithBound {
  double value = 0, bound = 0;
};

class AttentionInDouble {
 public:
  // Of one batch, every query head with keys of its own.
  AttentionInDouble(const AttentionShape& shape, const AttentionInputs& inputs)
      : t_(static_cast<std::size_t>(shape.length)),
        d_(static_cast<std::size_t>(shape.depth)),
        in_(inputs),
        out(inputs.q.size()),
        dq(out),
        dk(out),
        dv(out) {
    for (std::size_t head = 0; head < static_cast<std::size_t>(shape.heads); ++head)
      for (std::size_t i = 0; i < t_; ++i) add_row(head * t_, i);
  }

 private:
  static constexpr double kLost = 0x1p-22, kBf16 = 0x1p-8, kSoftmax = 0x1p-17;
  using Row = std::vector<NumberWithBound>;

  // sum over d of a[i] b[j], of positions
  NumberWithBound product(const Floats& a, std::size_t i, const Floats& b, std::size_t j) const {
    NumberWithBound sum;
    for (std::size_t d = 0; d < d_; ++d) {
      const double term = double{a[i * d_ + d]} * b[j * d_ + d];
      sum.value += term, sum.bound += std::abs(term);
    }
    sum.bound *= static_cast<double>(d_) * kLost;
    return sum;
  }
  // to[i] += weight x[j]
  void add(std::vector<NumberWithBound>& to, std::size_t i, const NumberWithBound& weight, const Floats& x,
           std::size_t j) const {
    for (std::size_t d = 0; d < d_; ++d) {
      const double number = x[j * d_ + d];
      to[i * d_ + d].value += weight.value * number;
      to[i * d_ + d].bound +=
          std::abs(number) * (weight.bound + std::abs(weight.value) * static_cast<double>(t_) * kLost);
    }
  }

  // Row i of the head whose positions begin at `first`.
  void add_row(std::size_t first, std::size_t i) {
    const double c = 1 / std::sqrt(static_cast<double>(d_));
    Row scores, upstream;
    double largest = -1e300, total = 0, wrong = 0;
    for (std::size_t j = 0; j <= i; ++j) {
      scores.push_back(product(in_.q, first + i, in_.k, first + j));
      upstream.push_back(product(in_.upstream, first + i, in_.v, first + j));
      largest = std::max(largest, scores.back().value);
      wrong = std::max(wrong, scores.back().bound);
    }
    for (const NumberWithBound& s : scores) total += std::exp(c * (s.value - largest));
    const double relative = 2 * c * wrong + kSoftmax;
    NumberWithBound delta;
    for (std::size_t j = 0; j <= i; ++j) {
      const double p = std::exp(c * (scores[j].value - largest)) / total;
      scores[j].value = p;
      delta.value += p * upstream[j].value;
      delta.bound +=
          p * (std::abs(upstream[j].value) * (relative + static_cast<double>(t_) * kLost) + upstream[j].bound);
    }
    for (std::size_t j = 0; j <= i; ++j) {
      const double p = scores[j].value, difference = upstream[j].value - delta.value;
      const NumberWithBound weight{p, p * (kBf16 + relative)},
          gradient{c * p * difference,
                   c * p * (std::abs(difference) * (kBf16 + relative) + upstream[j].bound + delta.bound)};
      add(out, first + i, weight, in_.v, first + j), add(dv, first + j, weight, in_.upstream, first + i);
      add(dq, first + i, gradient, in_.k, first + j), add(dk, first + j, gradient, in_.q, first + i);
    }
  }

  std::size_t t_, d_;
  const AttentionInputs& in_;

 public:
  std::vector<NumberWithBound> out, dq, dk, dv;
};

// How many are further away than they may be; `closest` becomes the largest part of a bound that was needed.
inline std::size_t beyond_bounds(const Floats& found, const std::vector<NumberWithBound>& expected, double& most) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const double error = std::abs(found[i] - expected[i].value);
    count += !(error <= expected[i].bound);
    most = std::max(most, error / expected[i].bound);
  }
  return count;
}

// bf16 numbers of all sizes.
inline void bound_matrix_attention(const Kernels& kernels) {
  const ElementQuantizer bf16 = rounded_to("bf16");
  const AttentionCase one{{1, 70, 2, 2, 40}, {{}, bf16, {}, {}, bf16}, true};
  const AttentionInputs inputs = attention_inputs(one.shape, [](std::int64_t size, std::uint32_t seed) {
    Floats numbers = row_numbers(size, seed);
    for (float& x : numbers) x = __builtin_bit_cast(float, __builtin_bit_cast(std::uint32_t, x) & 0xFFFF0000u);
    return numbers;
  });
  const AttentionResults found = attention_by_kernels(kernels, one, inputs);
  const AttentionInDouble exact(one.shape, inputs);
  double most = 0;
  CHECK(beyond_bounds(found.out, exact.out, most) == 0);
  CHECK(beyond_bounds(found.dq, exact.dq, most) == 0);
  CHECK(beyond_bounds(found.dk, exact.dk, most) == 0);
  CHECK(beyond_bounds(found.dv, exact.dv, most) == 0);
  CHECK(most > 0.05);  // bounds that mean something
}

}  // namespace precipice::test
