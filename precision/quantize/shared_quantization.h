// SPDX-License-Identifier: Apache-2.0
// Whether two slots of one tensor share a quantization, which is then what is kept of the tensor between the passes
// (quantized_matmul.h).
#pragma once

#include "precision/scaling/quantizer.h"

namespace precipice {

bool share_quantization(const Quantizer& first, const Quantizer& second);

}  // namespace precipice
