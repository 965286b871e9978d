// SPDX-License-Identifier: Apache-2.0
// Recipes: named, complete choices of a quantizer for every slot of every matmul.
//   fp32      nothing is rounded
//   bf16      operands and outputs of every matmul in bf16, nearest even (PyTorch autocast's matmuls)
//   tf32      operands in tf32, outputs fp32 (NVIDIA Ampere tensor cores)
//   fp8       linears: x, w E4M3 and dy E5M2 with current per-tensor scaling (Transformer Engine Float8CurrentScaling,
//             HYBRID), outputs bf16; attention products and LM head as in bf16
//   fp8-all   the same in attention products and LM head too
//   e8mN      the mask of arXiv 2405.18710: bf16 operands, mantissa cut to N bits by truncation, at every matmul,
//             forward and backward, no scaling; outputs bf16. e8m7 equals bf16.
//   custom    fp32, to be changed by hand (precision.x, precision.w, ...)
#pragma once

#include <string>
#include <vector>

#include "precision/policy.h"
#include "train/run_config.h"

namespace precipice {

std::vector<std::string> recipe_names();
// The recipe with the hand-set keys applied. Throws ConfigError naming the key.
PrecisionPolicy make_policy(const PrecisionConfig& config, std::int64_t layers);

}  // namespace precipice
