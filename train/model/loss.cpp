// SPDX-License-Identifier: Apache-2.0
#include "train/model/loss.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/mse_loss.h>

#include <algorithm>

#include "metrics/logits/logit_rows.h"
#include "precision/autograd/operation.h"
#include "precision/base/check.h"
#include "precision/base/special_numbers.h"
#include "precision/kernels/row_kernels.h"
#include "precision/quantize/parallel.h"

namespace precipice {
namespace {

constexpr std::int64_t kLogitsPerTask = 32768;

// logits (N, V) -> mean cross-entropy. d loss / d z_i = (e_i / S - [i = t]) / N.
class LossOperation : public Operation {
 public:
  LossOperation(const at::Tensor& targets, LogitRows& rows, bool keeps)
      : targets_(targets.contiguous()), rows_(&rows), keeps_(keeps) {}

  Tensors forward(const Tensors& inputs) override {
    const at::Tensor logits = inputs[0].contiguous();
    const std::int64_t count = logits.size(0), width = logits.size(1);
    if (keeps_) e_ = at::empty_like(logits);
    sums_.resize(static_cast<std::size_t>(count));
    const auto words = static_cast<std::size_t>(width);
    const float* z = logits.const_data_ptr<float>();
    const std::int64_t* targets = targets_.const_data_ptr<std::int64_t>();
    at::parallel_for(0, count, rows_per_task(width), [&](std::int64_t begin, std::int64_t end) {
      std::vector<float> scratch(keeps_ ? 0 : words);
      for (std::int64_t row = begin; row < end; ++row) {
        const std::span<float> e = keeps_ ? std::span(e_.mutable_data_ptr<float>() + row * width, words) : scratch;
        sums_[static_cast<std::size_t>(row)] = rows_->observe(row, {z + row * width, words}, targets[row], e);
      }
    });
    return {at::full({}, rows_->mean_loss(), logits.options())};
  }

  Tensors backward(const Tensors& gradients, const WantedGradients&) override {
    PRECIPICE_CHECK(e_.defined(), "the loss keeps what one backward pass needs");
    // In place: the exponentials become the gradient.
    const at::Tensor dlogits = std::move(e_);
    e_ = at::Tensor();
    const std::int64_t count = dlogits.size(0), width = dlogits.size(1);
    const double share = gradients[0].item<double>() / static_cast<double>(count);
    float* out = dlogits.mutable_data_ptr<float>();
    const std::int64_t* targets = targets_.const_data_ptr<std::int64_t>();
    at::parallel_for(0, count, rows_per_task(width), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        float* of_row = out + row * width;
        row_kernels().scale_row(of_row, width, static_cast<float>(share / sums_[static_cast<std::size_t>(row)]));
        of_row[targets[row]] -= static_cast<float>(share);
      }
    });
    return {dlogits};
  }

 private:
  static std::int64_t rows_per_task(std::int64_t width) {
    return std::max<std::int64_t>(1, kLogitsPerTask / std::max<std::int64_t>(width, 1));
  }

  at::Tensor targets_, e_;
  std::vector<double> sums_;
  LogitRows* rows_;  // of the caller, during forward
  bool keeps_;
};

// outputs (N, C) -> mean of (y - t)^2. d loss / d y = 2 (y - t) / (N C).
class SquaredErrorOperation : public Operation {
 public:
  SquaredErrorOperation(const at::Tensor& targets, bool keeps) : targets_(targets.contiguous()), keeps_(keeps) {}

  Tensors forward(const Tensors& inputs) override {
    const at::Tensor outputs = inputs[0].contiguous();
    const float *y = outputs.const_data_ptr<float>(), *t = targets_.const_data_ptr<float>();
    if (keeps_) difference_ = at::empty_like(outputs);
    float* const kept = keeps_ ? difference_.mutable_data_ptr<float>() : nullptr;
    double sum = 0;
    for (std::int64_t i = 0; i < outputs.numel(); ++i) {
      const double d = double{y[i]} - double{t[i]};
      sum += d * d;
      if (kept != nullptr) kept[i] = static_cast<float>(d);
    }
    return {at::full({}, sum / static_cast<double>(outputs.numel()), outputs.options())};
  }

  Tensors backward(const Tensors& gradients, const WantedGradients&) override {
    PRECIPICE_CHECK(difference_.defined(), "the loss keeps what one backward pass needs");
    const at::Tensor dy = std::move(difference_);
    difference_ = at::Tensor();
    const auto share = static_cast<float>(2 * gradients[0].item<double>() / static_cast<double>(dy.numel()));
    float* const out = dy.mutable_data_ptr<float>();
    for (std::int64_t i = 0; i < dy.numel(); ++i) out[i] *= share;
    return {dy};
  }

 private:
  at::Tensor targets_, difference_;
  bool keeps_;
};

bool are_vectors(const at::Tensor& targets) {
  return targets.is_floating_point();
}

}  // namespace

at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& targets) {
  return at::cross_entropy_loss(logits, targets);
}

at::Tensor squared_error(const at::Tensor& outputs, const at::Tensor& targets) {
  return at::mse_loss(outputs, targets);
}

at::Tensor plain_loss(const at::Tensor& outputs, const at::Tensor& targets) {
  return are_vectors(targets) ? squared_error(outputs, targets) : cross_entropy(outputs, targets);
}

LogitLoss output_loss(const at::Tensor& outputs, const at::Tensor& targets, std::int64_t context,
                      std::span<const double> epsilons) {
  if (!are_vectors(targets)) return logit_loss(outputs, targets, context, epsilons);
  PRECIPICE_CHECK(outputs.sizes() == targets.sizes(), "outputs ", outputs.sizes(), ", targets ", targets.sizes());
  PRECIPICE_CHECK(epsilons.empty(), "vectors have no logit sharpness");
  const bool keeps = at::GradMode::is_enabled() && outputs.requires_grad();
  return {run_operation(std::make_unique<SquaredErrorOperation>(targets, keeps), {outputs})[0], {kNaN, kNaN}, {}};
}

LogitLoss logit_loss(const at::Tensor& logits, const at::Tensor& targets, std::int64_t context,
                     std::span<const double> epsilons) {
  PRECIPICE_CHECK(logits.dim() == 2 && logits.size(0) == targets.numel() && targets.numel() % context == 0, "logits ",
                  logits.sizes(), ", targets ", targets.sizes(), ", context ", context);
  LogitRows rows(targets.numel() / context, context, logits.size(1), epsilons);
  const bool keeps = at::GradMode::is_enabled() && logits.requires_grad();
  const at::Tensor mean = run_operation(std::make_unique<LossOperation>(targets, rows, keeps), {logits})[0];
  return {mean, rows.statistics(), rows.sharpness()};
}

at::Tensor z_loss(const at::Tensor& logits) {
  return at::logsumexp(logits, -1).square().mean();
}

}  // namespace precipice
