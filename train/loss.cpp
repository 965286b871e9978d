// SPDX-License-Identifier: Apache-2.0
#include "train/loss.h"

#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/logsumexp.h>

namespace precipice {

at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& targets) {
  return at::cross_entropy_loss(logits, targets);
}

at::Tensor z_loss(const at::Tensor& logits) {
  return at::logsumexp(logits, -1).square().mean();
}

}  // namespace precipice
