// SPDX-License-Identifier: Apache-2.0
// How elements are rounded, and the whole of a quantizer that has no scale: results of matmuls, and what a model
// computes between them.
#pragma once

#include <optional>

#include "precision/format/float_format.h"
#include "precision/rounding/rounding.h"

namespace precipice {

struct ElementQuantizer {
  FloatFormat format{};  // fp32: nothing is rounded
  Rounding rounding = Rounding::NearestEven;
  Overflow overflow = Overflow::Saturate;
  int random_bits = 32;       // stochastic only: 1..32 words' high bits are used
  bool through_bf16 = false;  // round to bf16 (nearest even) first: inputs of a system whose tensors are bf16
  // With through_bf16: of the eight bits of bf16's exponent only the lowest are kept, so that numbers from 2^(2^bits - 127)
  // on become smaller ones (with 7 bits, from 2 on); infinities and NaN stay. The number is rounded to the format then.
  int kept_exponent_bits = 8;
  // Where magnitudes end, in place of the format's own largest value, as this format's do. Unscaled only.
  std::optional<FloatFormat> range{};

  bool operator==(const ElementQuantizer&) const = default;
  // Values come back as they are.
  bool is_identity() const { return format.is_fp32() && !through_bf16; }
};

// Throws ConfigError naming the field.
void validate(const ElementQuantizer& element);

}  // namespace precipice
