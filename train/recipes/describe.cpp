// SPDX-License-Identifier: Apache-2.0
#include "train/recipes/describe.h"

#include "precision/accumulator/accumulator_presets.h"

#include <fmt/format.h>

namespace precipice {
namespace {

// What each way of scaling says: what the scale is, which elements share it, and in `details` what is not as usual.
class ScalingText {
 public:
  explicit ScalingText(const Scaling& scaling) : granularity_(granularity_word(scaling)) {}

  std::string operator()(const NoScaling&) { return ""; }
  std::string operator()(const FixedScaling& fixed) { return fmt::format(", fixed scale {}", fixed.scale); }
  std::string operator()(const AmaxScaling& amax) {
    return scale_per("amax") + power_of_two(amax.scale.power_of_two) + floor(amax.scale.floor);
  }
  std::string operator()(const BlockAmaxScaling& amax) {
    return scale_per("amax", amax.block) + power_of_two(amax.scale.power_of_two) + floor(amax.scale.floor);
  }
  std::string operator()(const DelayedScaling& delayed) {
    const DelayedRule& rule = delayed.rule;
    return scale_per("delayed") + power_of_two(rule.power_of_two) +
           fmt::format(", history {}, {}, margin {}", rule.history, to_string(rule.algorithm), rule.margin);
  }
  std::string operator()(const MxScaling& mx) {
    if (mx.exponent_bump) details_ += ", exponent bump";
    if (mx.flush_subnormal_blocks) details_ += ", subnormal blocks flushed";
    return scale_per(to_string(mx.rule), mx.block) + floor(mx.amax_floor);
  }
  std::string operator()(const Nvfp4Scaling& nvfp4) {
    std::string text = scale_per("nvfp4", nvfp4.block);
    if (!nvfp4.two_level) text += ", one level";
    if (nvfp4.row_scaled) text += ", row scaled";
    if (nvfp4.four_over_six == FourOverSix::Off) return text;
    text += ", four over six by " + to_string(nvfp4.four_over_six);
    return nvfp4.four_over_six_max == 448 ? text
                                          : text + fmt::format(", block scales up to {}", nvfp4.four_over_six_max);
  }

  const std::string& details() const { return details_; }

 private:
  std::string scale_per(const std::string& rule) const { return fmt::format(", {} scale per {}", rule, granularity_); }
  static std::string scale_per(const std::string& rule, const BlockShape& block) {
    return fmt::format(", {} scale per {}x{} block", rule, block.across, block.along);
  }
  static std::string power_of_two(bool is_power) { return is_power ? ", power of two" : ""; }
  static std::string floor(const std::optional<double>& floor) {
    return floor ? fmt::format(", amax floor {}", *floor) : "";
  }

  std::string granularity_, details_;
};

std::string text_of(const ElementQuantizer& element) {
  std::string text = to_string(element.format) + " " + to_string(element.rounding);
  if (is_stochastic(element.rounding)) text += fmt::format(" {} bits", element.random_bits);
  text += " " + to_string(element.overflow);
  if (element.through_bf16) text += ", of bf16";
  if (element.kept_exponent_bits < 8)
    text += fmt::format(" without the exponent's highest {}", 8 - element.kept_exponent_bits);
  if (element.range) text += ", up to the largest " + to_string(*element.range);
  return text;
}

}  // namespace

std::string describe(const ElementQuantizer& element) {
  return element.is_identity() ? "fp32" : text_of(element);
}

std::string describe(const Quantizer& quantizer) {
  if (quantizer.is_identity()) return "fp32";
  ScalingText text(quantizer.scaling);
  const std::string scaling = std::visit(text, quantizer.scaling);
  if (!quantizer.is_scaled()) return text_of(quantizer.element);
  return text_of(quantizer.element) + scaling + (quantizer.hadamard ? ", Hadamard transform" : "") + text.details() +
         ", " + to_string(quantizer.arithmetic);
}

std::string describe(const GemmArithmetic& arithmetic) {
  const bool is_library = arithmetic.accumulator.kind == AccumulatorKind::Fp32;
  return fmt::format("accumulated in {}, scales on {}, result {}",
                     is_library ? "fp32" : name_and_numbers(arithmetic.accumulator),
                     arithmetic.scales == ScalesAct::Sums ? "sums" : "operands", describe(arithmetic.output));
}

}  // namespace precipice
