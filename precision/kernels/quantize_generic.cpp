// SPDX-License-Identifier: Apache-2.0
// The array loops of quantize-inl.h, compiled for the baseline of the target CPU.
#include <bit>
#include <utility>

#include "precision/format/log2_exponent.h"
#include "precision/kernels/hadamard_matrix.h"
#include "precision/kernels/quantize_isa.h"
#include "precision/kernels/vector.h"

namespace precipice::generic {
#include "precision/kernels/block_kernels-inl.h"
#include "precision/kernels/quantize-inl.h"
}  // namespace precipice::generic
