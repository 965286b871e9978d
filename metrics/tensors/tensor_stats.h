// SPDX-License-Identifier: Apache-2.0
// Group "tensors": per site, operand and pass, what quantizing did, a (step, site) array per series. Operands:
//   x, w, dy                    the first rounding of each: fprop, fprop, dgrad
//   w_dgrad, dy_wgrad, x_wgrad  their second one, for the other contraction; equal to the first where both passes
//                               share a quantization
// and for each of them, named x_saturated, ...:
//   saturated, overflowed, underflowed, nan   fractions of elements, by-products of the rounding
//   amax                                      largest |value| before scaling
//   sqnr                                      10 log10(sum x^2 / sum (x' - x)^2), in dB, x' the rounded operand
//                                             with its scales taken back; infinite where every element is exact
//   scale                                     the largest factor that takes grid values back
#pragma once

#include <span>
#include <string>
#include <vector>

#include "metrics/log/series.h"
#include "precision/kernels/quantize_kernels.h"

namespace precipice {

inline constexpr const char* kOperandNames[] = {"x", "w", "dy", "w_dgrad", "dy_wgrad", "x_wgrad"};

// What rounding cost an operand; sums over elements.
struct RoundingError {
  double signal = 0;  // sum of x^2
  double error = 0;   // sum of (x' - x)^2
  double scale = 0;   // the largest
  RoundingError& operator+=(const RoundingError& other);
};
// Of x' = scale * rounded.
RoundingError rounding_error(std::span<const float> x, std::span<const float> rounded, float scale = 1.0f);
RoundingError rounding_error(std::span<const float> x, std::span<const std::uint16_t> rounded, float scale);  // bf16

class TensorStats {
 public:
  explicit TensorStats(std::vector<std::string> sites);  // at least one
  const SeriesGroup& group() const { return group_; }
  void clear();
  // `operand`: index in kOperandNames. Both add to what the step has so far.
  void record(std::size_t site, std::size_t operand, const EventCounts& counts);
  void record(std::size_t site, std::size_t operand, const RoundingError& error);
  // The second pass takes what the first one rounded, unless it has counts of its own.
  void share(std::size_t site, std::size_t first, std::size_t second);
  std::vector<double> values() const;  // one row; NaN where nothing was quantized

 private:
  struct Entry {
    EventCounts counts;
    RoundingError rounding;
    bool has_rounding = false;
  };
  struct Statistic;
  static const Statistic kStatistics[];
  Entry& entry(std::size_t site, std::size_t operand);

  SeriesGroup group_;
  std::vector<Entry> entries_;  // [operand][site]
};

}  // namespace precipice
