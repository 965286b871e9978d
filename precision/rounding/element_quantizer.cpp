// SPDX-License-Identifier: Apache-2.0
#include "precision/rounding/element_quantizer.h"

#include <string>

#include "precision/base/check.h"

namespace precipice {

void validate(const ElementQuantizer& element) {
  const FloatFormat& format = element.format;
  validate(format);
  if (element.random_bits < 1 || element.random_bits > 32)
    throw ConfigError({"", 0, "random_bits", std::to_string(element.random_bits)}, "must be from 1 to 32");
  const int kept = element.kept_exponent_bits;
  if (kept < 1 || kept > 8 || (kept < 8 && !element.through_bf16))
    throw ConfigError({"", 0, "kept_exponent_bits", std::to_string(kept)}, "must be from 1 to 8, of bf16 numbers");
  if (!element.range) return;
  const FloatFormat& range = *element.range;
  validate(range);
  // One grid with another end: signs, mantissas of one length, and numbers in common.
  const auto is_plain = [](const FloatFormat& f) { return f.sign == Sign::Signed && f.mantissa_bits > 0; };
  if (!is_plain(format) || !is_plain(range) || range.mantissa_bits != format.mantissa_bits ||
      range.emax() <= format.emin())
    throw ConfigError({"", 0, "range", to_string(range)}, "needs unscaled elements of as many mantissa bits");
}

}  // namespace precipice
