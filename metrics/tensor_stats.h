// SPDX-License-Identifier: Apache-2.0
// Group "tensors": per site and operand, what the quantizers counted: fractions of elements saturated, overflowed,
// underflowed, NaN, and the amax. Collected as a by-product of quantizing; a (step, site) array per series, named
// x_saturated, x_overflowed, x_underflowed, x_nan, x_amax, w_saturated, ..., dy_amax.
#pragma once

#include <string>
#include <vector>

#include "metrics/series.h"
#include "precision/quantize_kernels.h"

namespace precipice {

// The three tensors of a linear layer: activations, weights, gradient of the output.
inline constexpr const char* kOperandNames[] = {"x", "w", "dy"};

class TensorStats {
 public:
  explicit TensorStats(std::vector<std::string> sites);  // at least one
  const SeriesGroup& group() const { return group_; }
  void clear();
  void record(std::size_t site, std::size_t operand, const EventCounts& counts);  // adds to what the step has so far
  std::vector<double> values() const;  // one row; NaN where nothing was quantized

 private:
  SeriesGroup group_;
  std::vector<EventCounts> counts_;  // [operand][site]
};

}  // namespace precipice
