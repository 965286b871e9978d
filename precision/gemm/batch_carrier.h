// SPDX-License-Identifier: Apache-2.0
// The carrier (carrier.h) shared out to threads. Of many small products, those of attention, each matrix goes with its
// operands in the cache (matrix_product.h), without what is known to be zero or is not asked for.
#pragma once

#include "precision/gemm/carrier.h"

namespace precipice {

// Whether it takes such operands; else they are for multiply().
bool fits_batch_carrier(const CarrierProduct& call);
// `fine`: some bf16 operands may be too small for bf16's instructions; each matrix is looked at.
void multiply_batch(const CarrierProduct& call, Causal causal, bool fine);

// The product of fp32 matrices that both lie along K, as in a weight's gradient (outer_product.h).
bool fits_outer_carrier(const CarrierProduct& call);
void multiply_outer(const CarrierProduct& call);

// multiply() in parts of fixed size, each by one thread: for CPUs where that would not keep sums whole (carrier.h).
void multiply_in_parts(const CarrierProduct& call);

}  // namespace precipice
