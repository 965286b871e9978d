// SPDX-License-Identifier: Apache-2.0
// The shapes that a run's matmuls will have, against what its quantizers need of them: blocks that fill the matrix
// (torchao), a contraction divisible by 16 (Hadamard transform). Asked before a run begins.
#pragma once

#include "precision/policy/policy.h"
#include "train/config/run_config.h"

namespace precipice {

// y (rows, out) = x (rows, in) w (out, in)^T, in each matrix of a batch.
struct MatmulShape {
  std::int64_t rows, in, out;
};
MatmulShape matmul_shape(SiteKind kind, const RunConfig& config);

// Throws ConfigError naming the site, the GEMM and the operand.
void check_operand_shapes(const PrecisionSchedule& schedule, const RunConfig& config);

}  // namespace precipice
