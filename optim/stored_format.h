// SPDX-License-Identifier: Apache-2.0
// How numbers are kept from one update to the next: weights without an fp32 master copy, moments, gradients. Updates
// are computed in fp32 from what is kept, and their results rounded once when they are kept again.
//   bf16-sr, bf16-kahan weights    arXiv 2502.20566; Zamirai et al. arXiv 2010.06192
//   fp16 weights under ms-amp      MS-AMP O1: a power-of-two scale per tensor and no master copy (arXiv 2310.18313)
//   moments e4m3 + fp16            MS-AMP O2;  e4m3 + e5m2  arXiv 2409.12517;  bf16 + bf16  DeepSeek-V3 (2412.19437)
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "optim/rules/optimizer_config.h"
#include "precision/format/float_format.h"
#include "precision/rounding/rounding.h"

namespace precipice {

enum class StoredScaling : std::uint8_t {
  None,
  Current,            // te_current_scale of precision/scaling/scale_formulas.h
  CurrentPowerOfTwo,  // the same, rounded down to a power of two
  MsAmp,              // ms_amp_scale
};

struct StoredFormat {
  FloatFormat format;
  Rounding rounding = Rounding::NearestEven;
  bool kahan = false;  // nearest-even with a compensation buffer of the same format
  // None when the format has fp32's range, eight exponent bits, whatever the scaling's key says.
  StoredScaling rule = StoredScaling::None;
  std::int64_t block = 0;  // elements that share a scale; 0: the tensor

  bool is_plain() const { return format.is_fp32() && !kahan; }
  // How many scales a tensor of `size` elements has.
  std::int64_t scales(std::int64_t size) const;
  // What one element takes: its number, its compensation, and its share of a block's fp32 scale.
  double bits() const;
};
// As "bf16-sr" or "fp16, ms-amp scale per tensor".
std::string to_string(const StoredFormat& stored);

struct StoredFormats {
  StoredFormat weights, moment1, moment2, gradients;
};

// Throws ConfigError naming the key, as optimizer.weights.
StoredFormats parse_stored_formats(const StateConfig& config);

}  // namespace precipice
