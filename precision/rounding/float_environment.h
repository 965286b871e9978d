// SPDX-License-Identifier: Apache-2.0
// What the roundings rely on from the processor, and cannot see while they run: sums to nearest even (the paths by
// addition in precision/kernels/fast_rounding-inl.h), and subnormal numbers that are neither flushed to zero as results
// (FTZ) nor read as zero (DAZ; FZ on ARM is both), in products with scales and wherever numbers meet.
#pragma once

namespace precipice {

// Throws ConfigError that names what is set and what may have set it. For the start of a process: threads inherit the
// settings of the one that starts them.
void check_float_environment();

}  // namespace precipice
