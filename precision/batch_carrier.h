// SPDX-License-Identifier: Apache-2.0
// The carrier (carrier.h) of many small products, those of attention: each matrix with its operands in the cache
// (matrix_product.h), without what is known to be zero or is not asked for.
#pragma once

#include "precision/carrier.h"

namespace precipice {

// Whether it takes such operands; else they are for multiply().
bool fits_batch_carrier(const CarrierProduct& call);
// `fine`: some bf16 operands may be too small for bf16's instructions; each matrix is looked at.
void multiply_batch(const CarrierProduct& call, Causal causal, bool fine);

}  // namespace precipice
