// SPDX-License-Identifier: Apache-2.0
// Losses, in fp32.
#pragma once

#include <ATen/core/Tensor.h>

namespace precipice {

// Mean cross-entropy in nats. logits (N, V), targets (N) int64.
at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& targets);

// Mean of log^2 Z, Z = sum_v exp(logit_v): the z-loss without its coefficient (PaLM, arXiv 2204.02311, section 5;
// Wortsman et al., arXiv 2309.14322, section 3.1.2).
at::Tensor z_loss(const at::Tensor& logits);

}  // namespace precipice
