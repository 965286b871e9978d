// SPDX-License-Identifier: Apache-2.0
// The loops of row_kernels-inl.h, compiled for the generic CPU.
#include <cmath>
#include <limits>

#include "precision/kernels/lanes.h"
#include "precision/kernels/row_kernels.h"

namespace precipice::generic {
#include "precision/kernels/row_kernels-inl.h"
}  // namespace precipice::generic
