// SPDX-License-Identifier: Apache-2.0
#include "train/model/loss.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/mse_loss.h>

#include "metrics/logits/logit_rows.h"
#include "precision/autograd/operation.h"
#include "precision/base/check.h"
#include "precision/base/special_numbers.h"
#include "precision/quantize/device.h"
#include "precision/quantize/parallel.h"

namespace precipice {
namespace {

constexpr std::int64_t kRowsPerTask = 256;  // of a few logarithms each

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
    std::vector<LogitRow> rows(sums_.size());
    std::vector<float> target_logits(sums_.size());
    const Machine& machine = machine_of(logits);
    machine.logit_rows(
        {logits.const_data_ptr<float>(), targets_.const_data_ptr<std::int64_t>(), count, width, rows_->has_sharpness(),
         keeps_ ? e_.mutable_data_ptr<float>() : nullptr, rows.data(), target_logits.data()},
        machine.current_stream());
    const at::Tensor z = logits.detach();
    at::parallel_for(0, count, kRowsPerTask, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        const auto place = static_cast<std::size_t>(row);
        sums_[place] = take(row, rows[place], target_logits[place], z);
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
    const Machine& machine = machine_of(dlogits);
    machine.logit_gradient(
        {dlogits.mutable_data_ptr<float>(), targets_.const_data_ptr<std::int64_t>(), sums_.data(), count, width, share},
        machine.current_stream());
    return {dlogits};
  }

 private:
  // S of a row, from its sums; a row that they do not suffice for is read again.
  double take(std::int64_t row, const LogitRow& sums, float target_logit, const at::Tensor& logits) const {
    if (rows_->suffices(sums, target_logit)) return rows_->take(row, sums, target_logit);
    const at::Tensor z = on_host(logits.select(0, row)), target = on_host(targets_.narrow(0, row, 1));
    return rows_->take(
        row, sums, target_logit,
        {{z.const_data_ptr<float>(), static_cast<std::size_t>(z.numel())}, *target.const_data_ptr<std::int64_t>()});
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
    if (keeps_) difference_ = at::empty_like(outputs);
    const Machine& machine = machine_of(outputs);
    const double sum =
        machine.squared_error(outputs.const_data_ptr<float>(), targets_.const_data_ptr<float>(), outputs.numel(),
                              keeps_ ? difference_.mutable_data_ptr<float>() : nullptr, machine.current_stream());
    return {at::full({}, sum / static_cast<double>(outputs.numel()), outputs.options())};
  }

  Tensors backward(const Tensors& gradients, const WantedGradients&) override {
    PRECIPICE_CHECK(difference_.defined(), "the loss keeps what one backward pass needs");
    const at::Tensor dy = std::move(difference_);
    difference_ = at::Tensor();
    const auto share = static_cast<float>(2 * gradients[0].item<double>() / static_cast<double>(dy.numel()));
    const Machine& machine = machine_of(dy);
    machine.scale(dy.mutable_data_ptr<float>(), dy.numel(), share, machine.current_stream());
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
