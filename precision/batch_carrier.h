// SPDX-License-Identifier: Apache-2.0
// The carrier (carrier.h) shared out to threads. Of many small products, those of attention, each matrix goes with its
// operands in the cache (matrix_product.h), without what is known to be zero or is not asked for.
#pragma once

#include "precision/carrier.h"

namespace precipice {

// Whether it takes such operands; else they are for multiply().
bool fits_batch_carrier(const CarrierProduct& call);
// `fine`: some bf16 operands may be too small for bf16's instructions; each matrix is looked at.
void multiply_batch(const CarrierProduct& call, Causal causal, bool fine);

// multiply() with the same bits on any number of threads: where it does not see to that, in parts of fixed size, of
// which a thread multiplies each alone.
void multiply_whole_sums(const CarrierProduct& call);

}  // namespace precipice
