// SPDX-License-Identifier: Apache-2.0
// The carrier (carrier.h) shared out to threads. Of many small products, those of attention, each matrix goes with its
// operands in the cache (matrix_product.h), without what is known to be zero or is not asked for.
#pragma once

#include "precision/gemm/carrier.h"
#include "precision/gemm/multiplier.h"

namespace precipice {

// The product by what choose_multiplier() chose for it on this CPU.
void multiply_by(Multiplier multiplier, const CarrierProduct& product, Causal causal);

// multiply() in parts of fixed size, each by one thread: for CPUs where that would not keep sums whole (carrier.h).
void multiply_in_parts(const CarrierProduct& product);

}  // namespace precipice
