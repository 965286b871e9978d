// SPDX-License-Identifier: Apache-2.0
// A quantizer as recipes, config keys and rules put it together: words in any order, of which a later one may change
// what an earlier one meant (`rule=amax` after `pow2=true`). quantizer_of is the door: there the words are checked
// against one another and become the types of quantizer.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "precision/scaling/quantizer.h"

namespace precipice {

// Which elements share a scale, in one word.
enum class ScaleKind : std::uint8_t { None, Fixed, Tensor, Row, Column, Block };

struct QuantizerSettings : ElementQuantizer {
  Arithmetic arithmetic = Arithmetic::Te;
  ScaleKind kind = ScaleKind::None;
  ScaleRule rule = ScaleRule::Amax;
  std::int64_t block_across = 1, block_along = 32;  // of kind Block
  float fixed = 1.0f;                               // of kind Fixed
  bool power_of_two = false;                        // of rule Amax
  std::optional<double> amax_floor;                 // of rule Amax, and of DeepGEMM's Rceil
  std::optional<DelayedRule> delayed;               // of kind Tensor with rule Amax
  bool two_level = true;                            // of rule Nvfp4, as the next three
  bool row_scaled = false;
  FourOverSix four_over_six = FourOverSix::Off;
  int four_over_six_max = 448;
  bool hadamard = false;
  bool flush_subnormal_blocks = false;  // of microxcaling
  bool exponent_bump = false;           // of rule Floor

  QuantizerSettings() = default;
  QuantizerSettings(const ElementQuantizer& elements) : ElementQuantizer(elements) {}  // NOLINT: without a scale
  // quantizer_of: settings serve where a quantizer is wanted.
  operator Quantizer() const;  // NOLINT

  bool operator==(const QuantizerSettings&) const = default;
  bool is_identity() const { return ElementQuantizer::is_identity() && !hadamard && kind == ScaleKind::None; }
};

// Throws ConfigError naming the word that no published arithmetic has, or not with the others.
Quantizer quantizer_of(const QuantizerSettings& settings);
// Would check the elements alone; quantizer_of checks all.
void validate(const QuantizerSettings& settings) = delete;

std::string to_string(ScaleKind kind);  // none fixed tensor row column block

}  // namespace precipice
