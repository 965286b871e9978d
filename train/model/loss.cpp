// SPDX-License-Identifier: Apache-2.0
#include "train/model/loss.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/mse_loss.h>

#include <cstddef>
#include <memory>
#include <utility>

#include "metrics/logits/logit_rows.h"
#include "precision/autograd/operation.h"
#include "precision/base/check.h"
#include "precision/base/special_numbers.h"
#include "precision/quantize/device.h"
#include "precision/quantize/parallel.h"

namespace precipice {
namespace {

constexpr std::int64_t kRowsPerTask = 256;  // of a few logarithms each

// logits (N, V) -> mean cross-entropy. d loss / d z_i = (e_i / S - [i = t]) / N, S being others + target of a LogitRow.
class LossOperation : public Operation {
 public:
  LossOperation(const at::Tensor& targets, const std::shared_ptr<LogitRows>& rows, bool keeps,
                const LateLossPlace& later)
      : targets_(targets.contiguous()), rows_(rows), keeps_(keeps), later_(later) {}

  Tensors forward(const Tensors& inputs) override {
    const at::Tensor logits = inputs[0].contiguous();
    const std::int64_t count = logits.size(0), width = logits.size(1);
    const bool is_bf16 = logits.scalar_type() == at::kBFloat16;
    PRECIPICE_CHECK(!is_bf16 || later_, "bf16 logits are for losses that are known later");
    if (keeps_) kept_ = is_bf16 ? logits.detach() : at::empty_like(logits);
    // The rows, then the targets' logits.
    sums_ = at::empty({count * kBytesOfRow}, logits.options().dtype(at::kByte));
    const Machine& machine = machine_of(logits);
    LogitRowsCall call{nullptr,
                       targets_.const_data_ptr<std::int64_t>(),
                       count,
                       width,
                       rows_->has_sharpness(),
                       nullptr,
                       rows_in(sums_),
                       logits_in(sums_, count)};
    if (is_bf16) {
      call.packed = static_cast<const std::uint16_t*>(logits.const_data_ptr());
    } else {
      call.z = logits.const_data_ptr<float>();
      if (keeps_) call.e = kept_.mutable_data_ptr<float>();
    }
    machine.logit_rows(call, machine.current_stream());
    const at::TensorOptions options = logits.options().dtype(at::kFloat);
    if (later_) {
      finish_later(count);
      return {at::full({}, kNaN, options)};
    }
    const at::Tensor sums = on_host(sums_), z = logits.detach();
    at::parallel_for(0, count, kRowsPerTask, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) take(row, rows_in(sums)[row], logits_in(sums, count)[row], z);
    });
    const double mean = rows_->mean_loss();
    rows_.reset();
    return {at::full({}, mean, options)};
  }

  Tensors backward(const Tensors& gradients, const WantedGradients&) override {
    PRECIPICE_CHECK(kept_.defined(), "the loss keeps what one backward pass needs");
    // In place: exponentials, or bf16 logits, become the gradient.
    const at::Tensor dlogits = std::move(kept_);
    kept_ = at::Tensor();
    const bool is_bf16 = dlogits.scalar_type() == at::kBFloat16;
    const std::int64_t count = dlogits.size(0), width = dlogits.size(1);
    const Machine& machine = machine_of(dlogits);
    machine.logit_gradient({is_bf16 ? nullptr : dlogits.mutable_data_ptr<float>(),
                            targets_.const_data_ptr<std::int64_t>(),
                            rows_in(sums_),
                            count,
                            width,
                            {gradients[0].const_data_ptr<float>(), 1, static_cast<double>(count)},
                            is_bf16 ? static_cast<std::uint16_t*>(dlogits.mutable_data_ptr()) : nullptr},
                           machine.current_stream());
    return {dlogits};
  }

 private:
  static constexpr std::int64_t kBytesOfRow = sizeof(LogitRow) + sizeof(float);

  static LogitRow* rows_in(const at::Tensor& sums) { return static_cast<LogitRow*>(sums.mutable_data_ptr()); }
  static float* logits_in(const at::Tensor& sums, std::int64_t count) {
    return reinterpret_cast<float*>(rows_in(sums) + count);
  }

  // A row that its sums do not suffice for is read again.
  void take(std::int64_t row, const LogitRow& sums, float target_logit, const at::Tensor& logits) const {
    if (rows_->suffices(sums, target_logit)) {
      rows_->take(row, sums, target_logit);
      return;
    }
    const at::Tensor z = on_host(logits.select(0, row)), target = on_host(targets_.narrow(0, row, 1));
    rows_->take(
        row, sums, target_logit,
        {{z.const_data_ptr<float>(), static_cast<std::size_t>(z.numel())}, *target.const_data_ptr<std::int64_t>()});
  }

  // The rows come with the step's other numbers. Where one of them does not suffice, the step is done again.
  void finish_later(std::int64_t count) const {
    PRECIPICE_CHECK(!rows_->has_sharpness(), "more than a loss of every row would be taken for granted");
    later_->ledger->take_for_granted(sums_, {Assumption::Kind::RowsHaveLoss, {}, count});
    later_->ledger->add(sums_, [rows = rows_, later = later_, count](const void* bytes) {
      const auto* of_rows = static_cast<const std::byte*>(bytes);
      const auto* of_logits = of_rows + count * static_cast<std::int64_t>(sizeof(LogitRow));
      for (std::int64_t row = 0; row < count; ++row)
        rows->take(row, number_at<LogitRow>(of_rows + row * static_cast<std::int64_t>(sizeof(LogitRow))),
                   number_at<float>(of_logits + row * static_cast<std::int64_t>(sizeof(float))));
      later->mean = rows->mean_loss();
      later->statistics = rows->statistics();
    });
  }

  at::Tensor targets_, sums_;
  at::Tensor kept_;                  // exponentials, or logits where they are bf16
  std::shared_ptr<LogitRows> rows_;  // of the caller
  bool keeps_;
  LateLossPlace later_;
};

// outputs (N, C) -> mean of (y - t)^2. d loss / d y = 2 (y - t) / (N C).
class SquaredErrorOperation : public Operation {
 public:
  SquaredErrorOperation(const at::Tensor& targets, bool keeps, const LateLossPlace& later)
      : targets_(targets.contiguous()), keeps_(keeps), later_(later) {}

  Tensors forward(const Tensors& inputs) override {
    const at::Tensor outputs = inputs[0].contiguous();
    if (keeps_) difference_ = at::empty_like(outputs);
    const Machine& machine = machine_of(outputs);
    const at::Tensor sum = at::empty({1}, outputs.options().dtype(at::kDouble));
    machine.squared_error(outputs.const_data_ptr<float>(), targets_.const_data_ptr<float>(), outputs.numel(),
                          keeps_ ? difference_.mutable_data_ptr<float>() : nullptr, sum.mutable_data_ptr<double>(),
                          machine.current_stream());
    const auto size = static_cast<double>(outputs.numel());
    if (later_) {
      later_->ledger->add(sum, [later = later_, size](const void* bytes) {
        later->mean = number_at<double>(bytes) / size;
        later->statistics = {kNaN, kNaN};
      });
      return {at::full({}, kNaN, outputs.options())};
    }
    return {at::full({}, *on_host(sum).const_data_ptr<double>() / size, outputs.options())};
  }

  Tensors backward(const Tensors& gradients, const WantedGradients&) override {
    PRECIPICE_CHECK(difference_.defined(), "the loss keeps what one backward pass needs");
    const at::Tensor dy = std::move(difference_);
    difference_ = at::Tensor();
    const Machine& machine = machine_of(dy);
    machine.scale(dy.mutable_data_ptr<float>(), dy.numel(),
                  {gradients[0].const_data_ptr<float>(), 2, static_cast<double>(dy.numel())}, machine.current_stream());
    return {dy};
  }

 private:
  at::Tensor targets_, difference_;
  bool keeps_;
  LateLossPlace later_;
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
                      std::span<const double> epsilons, const LateLossPlace& later) {
  if (!are_vectors(targets)) return logit_loss(outputs, targets, context, epsilons, later);
  PRECIPICE_CHECK(outputs.sizes() == targets.sizes(), "outputs ", outputs.sizes(), ", targets ", targets.sizes());
  PRECIPICE_CHECK(epsilons.empty(), "vectors have no logit sharpness");
  const bool keeps = at::GradMode::is_enabled() && outputs.requires_grad();
  return {
      run_operation(std::make_unique<SquaredErrorOperation>(targets, keeps, later), {outputs})[0], {kNaN, kNaN}, {}};
}

LogitLoss logit_loss(const at::Tensor& logits, const at::Tensor& targets, std::int64_t context,
                     std::span<const double> epsilons, const LateLossPlace& later) {
  PRECIPICE_CHECK(logits.dim() == 2 && logits.size(0) == targets.numel() && targets.numel() % context == 0, "logits ",
                  logits.sizes(), ", targets ", targets.sizes(), ", context ", context);
  PRECIPICE_CHECK(!later || epsilons.empty(), "logit sharpness is not put off");
  const auto rows = std::make_shared<LogitRows>(targets.numel() / context, context, logits.size(1), epsilons);
  const bool keeps = at::GradMode::is_enabled() && logits.requires_grad();
  const at::Tensor mean = run_operation(std::make_unique<LossOperation>(targets, rows, keeps, later), {logits})[0];
  if (later) return {mean, {kNaN, kNaN}, {}};
  return {mean, rows->statistics(), rows->sharpness()};
}

at::Tensor z_loss(const at::Tensor& logits) {
  return at::logsumexp(logits, -1).square().mean();
}

}  // namespace precipice
