// SPDX-License-Identifier: Apache-2.0
// The forward pass of gpt.h and llama.h in plain fp32, written with operations of ATen that autograd can differentiate
// twice; the models' own nodes (quantized matmul, causal softmax, RMS norm, rotary positions) can be only once. No
// rounding of any recipe is in it. Losses and gradients equal those of the models in fp32 up to the order of sums.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

#include "train/config/run_config.h"

namespace precipice {

// tokens (B, T) int64, parameters under the model's names  ->  logits (B * T, V)
at::Tensor differentiable_logits(const ModelConfig& config, const std::map<std::string, at::Tensor>& parameters,
                                 const at::Tensor& tokens);

}  // namespace precipice
