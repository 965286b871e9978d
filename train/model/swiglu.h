// SPDX-License-Identifier: Apache-2.0
// The gated MLP's second half, y = (silu(g) * u) w^T for g = gate(x), u = up(x) (Shazeer 2020, arXiv 2002.05202), and
// Smooth-SwiGLU (Fishman et al., arXiv 2409.12517 section 4). The linear branch is divided by s before the product is
// quantized, and s comes back behind the quantization, so that y is the same but for rounding:
//   Channel  s[f] = max over tokens |u[t, f]|:  y = Q(silu(g) * (u / s)) Q(w * s)^T     the paper's, s folded into w
//   Token    s[t] = max over channels |u[t, f]|:  y = s * (Q(silu(g) * (u / s)) Q(w)^T)   its released code
// s = 1 where the maximum is 0; no gradient goes through s, on which y does not depend. Every operation is one of fp32.
#pragma once

#include "precision/autograd/quantized_matmul.h"
#include "precision/autograd/round_tensor.h"

namespace precipice {

// gate, up (..., F), weight (C, F)  ->  (..., C). `vector`: format of silu(g), of u / s and of the product.
at::Tensor swiglu_down(const at::Tensor& gate, const at::Tensor& up, const at::Tensor& weight, const MatmulSite& site,
                       const ElementQuantizer& vector);

}  // namespace precipice
