// SPDX-License-Identifier: Apache-2.0
// The loops of row_kernels-inl.h, compiled for AVX2; nothing on other CPUs.
#if defined(__x86_64__)

#include <cmath>
#include <limits>

#include "precision/kernels/lanes.h"
#include "precision/kernels/row_kernels.h"

namespace precipice::avx2 {
#include "precision/kernels/row_kernels-inl.h"
}  // namespace precipice::avx2

#endif
