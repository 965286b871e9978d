// SPDX-License-Identifier: Apache-2.0
// Rotary position embedding (Su et al. 2021, arXiv 2104.09864): element pair i of a head at position t is a complex
// number turned by the angle t theta^(-2i/D). The pair is (x_i, x_{i + D/2}), as in Hugging Face's and TinyLlama's
// code, so that exported weights fit there. Sines and cosines are computed in double, rounded to fp32 and then to the
// table's format; the gradient is the rotation back, by the same table.
#pragma once

#include <ATen/core/Tensor.h>

#include "precision/quantize/quantize.h"

namespace precipice {

struct RopeTable {
  at::Tensor cosines, sines;  // (context, D / 2)
};

// head_size is even; `format` is deterministic.
RopeTable make_rope_table(std::int64_t context, std::int64_t head_size, double theta, const ElementQuantizer& format);

// x (B, T, H, D), T <= context  ->  (B, T, H, D), contiguous
at::Tensor apply_rope(const at::Tensor& x, const RopeTable& table);

}  // namespace precipice
