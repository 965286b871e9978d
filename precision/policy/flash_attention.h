// SPDX-License-Identifier: Apache-2.0
// FlashAttention: how attention rounds where a fused kernel computes it (Dao, arXiv 2307.08691, algorithms 1 and 2), a
// choice at attn.pv. Keys come in blocks; with m the largest scaled score of this block and those before,
//   P = exp(S - m), not normalised, is what attn.pv's fprop rounds as x;  acc = exp(m' - m) acc + P V;  l likewise
//   O = acc / l, rounded to attn.pv's output;  L = m + log l
//   backward: P = exp(S - L), delta = rowsum(dO * O), dS = P (dP - delta)
// Arithmetic is fp32 beside what the sites of attn.qk and attn.pv round; kernels keep S and dP in fp32 too, which
// `attn.qk pass=fprop operand=output -> high` and `attn.pv pass=dgrad operand=output -> high` say.
// arXiv 2510.04212 finds that this fails in bf16: where scores repeat the maximum P is 1 exactly, sums of values of one
// sign, which its code keeps in bf16 (`sums`), are rounded with a bias, and delta has it. Its cures: O in fp32 (a rule
// `attn.pv pass=fprop operand=output -> high`), the delta of an O that is not rounded, or of P dP (`delta`), a maximum
// that is moved away where it is repeated (`beta`), and explicit attention.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "precision/rounding/element_quantizer.h"

namespace precipice {

enum class FlashDelta : std::uint8_t {
  Rounded,    // rowsum(dO * O) of O as it leaves
  Unrounded,  // of O before it is rounded
  Weights,    // rowsum(P * dP), as explicit attention has it
};

struct FlashAttention {
  bool is_on = false;        // false: explicit attention, and nothing below matters
  std::int64_t block = 128;  // keys; a multiple of 32
  // Of acc and each product P V that is added to it. fp32: as kernels have it, whose l is the sum of P before it is
  // rounded; another: as arXiv 2510.04212's code has it, whose l is the sum of P as it is multiplied.
  ElementQuantizer sums{};
  FlashDelta delta = FlashDelta::Rounded;
  // Not 0: a block's maximum that more than one score comes within 1e-3 of becomes beta m where it is positive and 0
  // where it is negative (arXiv 2510.04212, section 4; attention.py has beta = 2).
  double beta = 0;
  bool operator==(const FlashAttention&) const = default;
};

// The fields of a rule at attn.pv: flash flash_block flash_sums flash_delta flash_beta.
const std::vector<std::string>& flash_fields();
// Throws ConfigError naming the field and what it may be.
void set_flash_field(FlashAttention& flash, const std::string& name, const std::string& value);
// Throws ConfigError where something is said of flash attention that is off.
void validate(const FlashAttention& flash);

// One line; "" where it is off.
std::string describe(const FlashAttention& flash);

}  // namespace precipice
