// SPDX-License-Identifier: Apache-2.0
// The array loops of quantize-inl.h, compiled for AVX2; nothing on other CPUs.
#if defined(__x86_64__)

#include <bit>
#include <utility>

#include "precision/format/log2_exponent.h"
#include "precision/kernels/hadamard_matrix.h"
#include "precision/kernels/quantize_isa.h"
#include "precision/kernels/vector.h"

namespace precipice::avx2 {
#include "precision/kernels/block_kernels-inl.h"
#include "precision/kernels/quantize-inl.h"
}  // namespace precipice::avx2

#endif
