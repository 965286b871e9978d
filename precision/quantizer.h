// SPDX-License-Identifier: Apache-2.0
// Quantizer: format + rounding + overflow + scaling, applied to a tensor. It yields values on the format's own grid and
// the scale that takes products back, as hardware does: x ~ values * scale_inv. Events are counted in the same pass.
#pragma once

#include <ATen/core/Tensor.h>

#include "precision/float_format.h"
#include "precision/quantize_kernels.h"
#include "precision/random_bits.h"
#include "precision/scaling.h"

namespace precipice {

struct QuantizerConfig {
  FloatFormat format;  // fp32: no rounding
  Rounding rounding = Rounding::NearestEven;
  Overflow overflow = Overflow::Saturate;
  int random_bits = 32;
  bool through_bf16 = false;  // the tensor is a bf16 one in the system that is imitated
  Scaling scaling;

  bool operator==(const QuantizerConfig&) const = default;
  bool is_identity() const { return format.is_fp32() && !through_bf16 && scaling.kind == Scaling::Kind::None; }
  bool is_stochastic() const { return precipice::is_stochastic(rounding) && !format.is_fp32(); }
};

struct Quantized {
  at::Tensor values;       // fp32, contiguous, on the format's grid
  float scale_inv = 1.0f;  // fl(1 / scale)
  EventCounts events;      // total = 0 when nothing was rounded
};

// x: fp32, any strides; element e of x in row-major order uses word e of key's stream. The identity returns x itself.
Quantized quantize(const at::Tensor& x, const QuantizerConfig& config, const RandomKey& key);

// Rounds scale * x in place: the output of a matmul. x is contiguous fp32. No scaling of its own.
EventCounts round_output(at::Tensor& x, float scale, const QuantizerConfig& config, const RandomKey& key);

}  // namespace precipice
