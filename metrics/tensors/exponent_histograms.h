// SPDX-License-Identifier: Apache-2.0
// Group "histograms": how many elements of an operand have which exponent, counts in (step, site, bin) arrays.
//   x, w, dy                               the operand as it comes, before scaling and rounding
//   x_fprop w_fprop dy_dgrad w_dgrad       what each pass multiplies: values on the element's grid, after scaling and
//   dy_wgrad x_wgrad                       rounding and without the scale that takes them back
// Bins: "zero" (both signs), "subnormal" (nonzero below 2^-126, in fp32's own sense), "-126" to "127" for floor(log2
// |value|), "inf", "nan". A narrow format's subnormals lie in the bins below its smallest normal exponent, and what it
// flushes is in "zero". NaN where nothing was seen: for a pass, where nothing is rounded.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "metrics/log/series.h"

namespace precipice {

inline constexpr std::size_t kZeroBin = 0, kSubnormalBin = 1, kFirstExponentBin = 2, kInfinityBin = 256, kNanBin = 257;
inline constexpr std::size_t kExponentBins = 258;
inline constexpr int kLeastBinnedExponent = -126;

std::size_t exponent_bin(float value);
const std::vector<std::string>& exponent_bin_names();

class ExponentHistograms {
 public:
  explicit ExponentHistograms(std::vector<std::string> sites);  // at least one
  const SeriesGroup& group() const { return group_; }
  void clear();
  // `series`: its index in the group. Adds to what the step has so far.
  void add(std::size_t site, std::size_t series, std::span<const float> values);
  std::vector<double> values() const;  // one row

 private:
  SeriesGroup group_;
  std::vector<std::uint64_t> counts_;  // [series][site][bin]
  std::vector<bool> seen_;             // [series][site]
};

}  // namespace precipice
