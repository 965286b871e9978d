// SPDX-License-Identifier: Apache-2.0
// Rounding as a function on the line of all binary32 patterns: a staircase. Between two neighbouring values v < w of a
// format there is one threshold: (v + w) / 2, v or w itself, by mode and by the parity of v's code. So all 2^32 inputs
// have their expected outputs and events from the value table alone, one comparison of patterns per step instead of one
// computation per input. Values are those of the oracle (tests/support/reference_rounding.h), thresholds exact doubles.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "precision/base/check.h"
#include "tests/support/reference_rounding.h"

namespace precipice::reference {

// Inputs with patterns (encodings without the sign) begin .. end - 1, of one sign, that all become `output`.
struct Step {
  enum Kind : std::uint8_t { Exactly, AnyNan, TheInput };
  std::uint32_t begin, end;
  Kind kind;
  std::uint32_t output;  // the bits, for Exactly
  bool beyond, subnormal;
};

constexpr std::uint32_t kInfinity = 0x7F800000u, kPatterns = 0x80000000u;

// The first pattern whose number is at least `threshold` (above it, if `strictly`); kInfinity when no finite one is.
inline std::uint32_t first_pattern(double threshold, bool strictly) {
  const auto is_reached = [=](float x) { return strictly ? x > threshold : x >= threshold; };
  const auto near = static_cast<float>(threshold);  // one of the two around it
  const auto pattern = __builtin_bit_cast(std::uint32_t, near);
  if (!is_reached(near)) return pattern + 1;
  if (pattern > 0 && is_reached(__builtin_bit_cast(float, pattern - 1))) return pattern - 1;
  return pattern;
}

class Staircase {
 public:
  Staircase(const FloatFormat& format, Rounding rounding, Overflow overflow, bool negative)
      : f_(format), rounding_(rounding), overflow_(overflow), negative_(negative) {
    PRECIPICE_CHECK(!is_stochastic(rounding) && format.subnormals != Subnormals::FlushInputs);
    per_binade_ = std::int64_t{1} << f_.mantissa_bits;
    // Without subnormals results are flushed from the grid that has them, and code 0, the zero, hides its 2^emin.
    hidden_ = f_.subnormals == Subnormals::None && f_.zero ? per_binade_ : 0;
    const auto count = static_cast<std::int64_t>(count_of_numbers(f_));
    last_ = hidden_ + count - 1;
    if (negative && f_.sign == Sign::Twos) last_ = count;
    if (negative && f_.sign == Sign::Unsigned) last_ = f_.zero ? 0 : -1;
    smallest_ = f_.subnormals == Subnormals::Keep ? 0.0 : min_normal(f_);
    min_normal_ = min_normal(f_);
  }

  // Moves to the step that holds `pattern`.
  void seek(std::uint32_t pattern) {
    if (pattern >= kInfinity || last_ < 0) return set_special(pattern);
    std::int64_t low = 0, high = last_ + 1;  // the steps of these values begin at or before, and behind, the pattern
    if (step_begin(high) <= pattern) return set_special(pattern);
    while (low + 1 < high) {
      const std::int64_t middle = (low + high) / 2;
      (step_begin(middle) <= pattern ? low : high) = middle;
    }
    index_ = low;
    value_ = value(index_);
    next_ = value(index_ + 1);
    set_number(step_begin(low));
  }

  void advance() {
    if (in_range_ && index_ < last_) {
      // Value by value without tables: the quantum doubles where a binade begins, which is what value() says, too.
      ++index_;
      const double quantum = next_ - value_;
      value_ = next_;
      next_ = value_ + quantum;
      if (index_ % per_binade_ == 0) next_ = value(index_ + 1);
      return set_number(step_.end);
    }
    set_special(step_.end);
  }

  const Step& step() const { return step_; }
  // From this pattern on the overflow policy may matter: the largest value, or the first number of its sign.
  std::uint32_t policy_begin() const { return last_ <= 0 ? 0 : first_pattern(value(last_), false); }

 private:
  double value(std::int64_t index) const {
    if (index < hidden_) return std::ldexp(static_cast<double>(index), -f_.bias - f_.mantissa_bits);
    if (hidden_ > 0 && index == hidden_) return std::ldexp(1.0, -f_.bias);
    return value_of_code(f_, static_cast<double>(index - hidden_));
  }

  // Where inputs between v (of index i) and the next value w begin to become w.
  std::uint32_t threshold(std::int64_t index, double v, double w) const {
    const bool odd = index % 2 != 0;
    switch (rounding_) {
      case Rounding::NearestEven:
        return first_pattern((v + w) / 2.0, !odd);
      case Rounding::NearestAway:
        return first_pattern((v + w) / 2.0, false);
      case Rounding::TowardZero:
        return first_pattern(w, false);
      case Rounding::Up:
        return negative_ ? first_pattern(w, false) : first_pattern(v, true);
      case Rounding::Down:
        return negative_ ? first_pattern(v, true) : first_pattern(w, false);
      case Rounding::ToOdd:
        return odd ? first_pattern(w, false) : first_pattern(v, true);
      default:
        return 0;
    }
  }
  std::uint32_t step_begin(std::int64_t index) const {
    return index == 0 ? 0 : threshold(index - 1, value(index - 1), value(index));
  }

  void set_number(std::uint32_t begin) {
    in_range_ = true;
    const double kept = value_ >= smallest_ ? value_ : f_.zero ? 0.0 : smallest_;
    step_ = {begin,
             threshold(index_, value_, next_),
             Step::Exactly,
             signed_bits(kept),
             /*beyond=*/false,
             kept != 0.0 && kept < min_normal_};
  }

  // Infinity, NaN, and numbers beyond the last value.
  void set_special(std::uint32_t pattern) {
    in_range_ = false;
    if (pattern > kInfinity) {
      step_ = {kInfinity + 1, kPatterns, Step::TheInput, 0, false, false};
      return;
    }
    const bool finite = pattern < kInfinity;
    if (finite && last_ < 0 && pattern == 0) {  // minus zero where zero is the smallest value
      step_ = {0, 1, Step::Exactly, signed_bits(smallest_), false, false};
      return;
    }
    const double end = last_ < 0 ? -1.0 : value(last_);
    const double result = reference::beyond(f_, rounding_, overflow_, end, finite, negative_);
    const std::uint32_t begin = !finite ? kInfinity : last_ < 0 ? 1 : step_begin(last_ + 1);
    step_ = {begin,
             finite ? kInfinity : kInfinity + 1,
             std::isnan(result) ? Step::AnyNan : Step::Exactly,
             signed_bits(result),
             true,
             result != 0.0 && result < min_normal_};
  }

  std::uint32_t signed_bits(double magnitude) const {
    const bool minus_zero = f_.sign == Sign::Signed && f_.specials != Specials::Fnuz && f_.specials != Specials::P3109;
    const bool sign = negative_ && f_.sign != Sign::Unsigned && (magnitude != 0.0 || minus_zero);
    return __builtin_bit_cast(std::uint32_t, static_cast<float>(magnitude)) | (sign ? kPatterns : 0u);
  }

  FloatFormat f_;
  Rounding rounding_;
  Overflow overflow_;
  bool negative_;
  std::int64_t per_binade_, hidden_, last_;  // indices count the values of the grid
  double smallest_, min_normal_;
  bool in_range_ = false;
  std::int64_t index_ = 0;  // of the current step
  double value_ = 0.0, next_ = 0.0;
  Step step_{};
};

}  // namespace precipice::reference
