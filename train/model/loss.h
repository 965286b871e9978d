// SPDX-License-Identifier: Apache-2.0
// Losses, in fp32.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <span>
#include <vector>

#include "metrics/logits/logit_sharpness.h"
#include "precision/quantize/step_ledger.h"

namespace precipice {

// Mean cross-entropy in nats. logits (N, V), targets (N) int64; any floating type, differentiable twice.
at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& targets);

// Mean over all elements of (output - target)^2, both (N, C); any floating type, differentiable twice.
at::Tensor squared_error(const at::Tensor& outputs, const at::Tensor& targets);

// Of a model's outputs, by what its targets are: tokens (int64) or vectors.
at::Tensor plain_loss(const at::Tensor& outputs, const at::Tensor& targets);

// The same of fp32 logits, or with `later` of bf16 ones, which become their gradient in place, for training, differentiable once, with what its one pass over the logits gives besides
// (metrics/logits/logit_rows.h). context: tokens of a sequence, of which N is a multiple.
struct LogitLoss {
  at::Tensor mean;  // scalar
  LogitStatistics statistics;
  std::vector<BatchSharpness> sharpness;  // one for each epsilon
};
// `later`: not null: on a device, mean's value (NaN until then) and statistics are known, and written here, when `ledger`
// is settled. Without epsilons only.
struct LateLoss {
  StepLedger* ledger = nullptr;
  double mean = 0;
  LogitStatistics statistics;
  float z = 0;  // of z_loss(), for who adds it
};
using LateLossPlace = std::shared_ptr<LateLoss>;
LogitLoss logit_loss(const at::Tensor& logits, const at::Tensor& targets, std::int64_t context,
                     std::span<const double> epsilons = {}, const LateLossPlace& later = {});

// The same with vectors as targets, outputs and targets (N, C): the mean squared error, summed in double in the order of the
// elements, without statistics of logits (NaN) or sharpness, which vectors have not. With tokens: logit_loss.
LogitLoss output_loss(const at::Tensor& outputs, const at::Tensor& targets, std::int64_t context,
                      std::span<const double> epsilons = {}, const LateLossPlace& later = {});

// Mean of log^2 Z, Z = sum_v exp(logit_v): the z-loss without its coefficient (PaLM, arXiv 2204.02311, section 5;
// Wortsman et al., arXiv 2309.14322, section 3.1.2).
at::Tensor z_loss(const at::Tensor& logits);

}  // namespace precipice
