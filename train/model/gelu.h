// SPDX-License-Identifier: Apache-2.0
// GELU, x Phi(x) (Hendrycks and Gimpel, arXiv 1606.08415), its result and the gradient that it sends back rounded.
#pragma once

#include "precision/autograd/round_tensor.h"

namespace precipice {

at::Tensor gelu(const at::Tensor& x, const ElementQuantizer& vector);

}  // namespace precipice
