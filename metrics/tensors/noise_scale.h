// SPDX-License-Identifier: Apache-2.0
// Gradient noise scale (McCandlish et al. 2018, arXiv 1812.06162, appendix A.1) from gradients of a batch B and of its
// micro-batches b, unbiased:
//   G2 = (B |g_B|^2 - b |g_b|^2) / (B - b)         S = (|g_b|^2 - |g_B|^2) / (1/b - 1/B)        B_simple = S / G2
// One measurement is noisy, so S and G2 are averaged separately before they are divided.
#pragma once

#include <cstdint>

namespace precipice {

struct NoiseEstimate {
  double trace;             // S, trace of the covariance of one sequence's gradient
  double squared_gradient;  // G2; may come out negative
};
// small_square: mean over the micro-batches of |g_b|^2. small < big.
NoiseEstimate noise_estimate(double small_square, double big_square, double small, double big);

// Moving averages of both, weight kNoiseWeight on the newest; the first one is taken as it is. Estimates that are not
// finite are left out.
inline constexpr double kNoiseWeight = 0.1;
class NoiseAverage {
 public:
  void add(const NoiseEstimate& estimate);
  double scale() const;  // S / G2 of the averages; NaN before the first one, and where G2 is not positive

 private:
  std::int64_t count_ = 0;
  double trace_ = 0, squared_gradient_ = 0;
};

}  // namespace precipice
