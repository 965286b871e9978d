// SPDX-License-Identifier: Apache-2.0
#include "train/probes/update_probes.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "metrics/curvature/critical_step.h"
#include "metrics/log/step_record.h"
#include "train/probes/edge_of_stability.h"
#include "train/recipes/operand_shapes.h"
#include "train/recipes/recipes.h"

namespace precipice {
namespace {

enum Offset { kCritical, kSam, kNoise, kEdge };
constexpr double kFirstMultiple = 2;  // of the update, where the first search begins

// The largest number of equal parts whose operands the run's quantizers can block.
std::int64_t micro_batch_of(const RunConfig& config) {
  for (std::int64_t parts = std::min(kMicroBatches, config.train.batch); parts > 1; --parts) {
    if (config.train.batch % parts != 0) continue;
    RunConfig part = config;
    part.train.batch = config.train.batch / parts;
    try {
      check_operand_shapes(make_schedule(config.precision, config.model, config.train.steps), part);
      return part.train.batch;
    } catch (const ConfigError&) {
      continue;
    }
  }
  return 0;
}

Batch part_of(const Batch& batch, std::size_t first, std::size_t size) {
  const auto cut = [&](const std::vector<std::int64_t>& tokens) {
    const auto begin = tokens.begin() + static_cast<std::ptrdiff_t>(first);
    return std::vector<std::int64_t>(begin, begin + static_cast<std::ptrdiff_t>(size));
  };
  return {cut(batch.x), cut(batch.y)};
}

}  // namespace

UpdateProbes::UpdateProbes(const RunConfig& config, std::uint16_t first_group)
    : config_(config.metrics),
      first_group_(first_group),
      micro_batch_(config.metrics.noise_every > 0 ? micro_batch_of(config) : 0) {}

std::vector<SeriesGroup> UpdateProbes::groups() const {
  return {{"critical",
           {{"critical_sharpness", "1", "2 over the smallest learning rate that raises the loss along the update"},
            {"critical_learning_rate", "1", "smallest learning rate that raises the loss along the update"},
            {"critical_passes", "1", "forward passes that finding it took"},
            {"critical_outcome", "1", "0 found, 1 never rises, 2 always rises, 3 no update or no finite loss"}},
           {}},
          {"sam", {{"sam_sharpness", "nats", "rise of the loss at distance 0.05 along the gradient"}}, {}},
          {"noise",
           {{"gradient_noise_scale", "sequences", "averaged trace of the gradient's covariance over its square"},
            {"noise_trace", "1", "trace of the covariance of one sequence's gradient"},
            {"noise_squared_gradient", "1", "squared norm of the gradient without noise"}},
           {}},
          {"edge",
           {{"edge_of_stability_ratio", "1", "largest preconditioned curvature over the optimizer's threshold"},
            {"preconditioned_sharpness", "1", "largest eigenvalue of the preconditioned Hessian"}},
           {}}};
}

void UpdateProbes::before_update(const ProbedStep& step, const TensorVector& gradients, std::vector<SeriesRow>& rows) {
  const auto group = [&](Offset offset) { return static_cast<std::uint16_t>(first_group_ + offset); };
  if (is_due(config_.critical_every, step.step)) before_ = copy_of_weights(step.model);
  if (is_due(config_.sam_every, step.step)) rows.push_back({group(kSam), step.step, sam_values(step, gradients)});
  if (is_due(config_.noise_every, step.step)) {
    rows.push_back({group(kNoise), step.step, noise_values(step)});
  }
}

void UpdateProbes::after_update(const ProbedStep& step, bool applied, Optimizer& optimizer,
                                std::vector<SeriesRow>& rows) {
  const auto group = [&](Offset offset) { return static_cast<std::uint16_t>(first_group_ + offset); };
  if (is_due(config_.critical_every, step.step)) {
    rows.push_back({group(kCritical), step.step, critical_values(step, applied)});
    remember(rows.back());
    before_.clear();
  }
  if (is_due(config_.edge_every, step.step)) rows.push_back({group(kEdge), step.step, edge_values(step, optimizer)});
}

std::vector<double> UpdateProbes::critical_values(const ProbedStep& step, bool applied) {
  CriticalStep found{kNotMeasured};
  const double rate = step.learning_rate;
  if (applied && rate > 0 && std::isfinite(step.objective)) {
    const TensorVector after = copy_of_weights(step.model);
    TensorVector update;
    for (std::size_t i = 0; i < after.size(); ++i) update.push_back(after[i].sub(before_[i]));
    const double length = squared_norm(update);
    if (length > 0 && std::isfinite(length)) {
      const auto rise = [&](double multiple) {
        set_weights(step.model, before_, multiple, update);
        return objective_at(step) - step.objective;
      };
      found = find_critical_step(rise, last_critical_size_ > 0 ? last_critical_size_ / rate : kFirstMultiple);
      set_weights(step.model, after);
    }
  }
  const double size = found.multiple * rate;
  return {2 / size, size, static_cast<double>(found.passes), static_cast<double>(found.outcome)};
}

std::vector<double> UpdateProbes::sam_values(const ProbedStep& step, const TensorVector& gradients) const {
  const double norm = std::sqrt(squared_norm(gradients));
  if (!(norm > 0) || !std::isfinite(norm) || !std::isfinite(step.objective)) return {kNotMeasured};
  const TensorVector weights = copy_of_weights(step.model);
  set_weights(step.model, weights, kSamRadius / norm, gradients);
  const double raised = objective_at(step);
  set_weights(step.model, weights);
  return {raised - step.objective};
}

std::vector<double> UpdateProbes::noise_values(const ProbedStep& step) {
  if (micro_batch_ == 0) return {kNotMeasured, kNotMeasured, kNotMeasured};
  const auto size = static_cast<std::size_t>(micro_batch_ * step.config.model.context);
  TensorVector sum;
  double squares = 0, parts = 0;
  for (std::size_t first = 0; first < step.batch.x.size(); first += size, ++parts) {
    TensorVector gradient = gradient_at(step, part_of(step.batch, first, size));
    squares += squared_norm(gradient);
    if (sum.empty()) {
      sum = std::move(gradient);
      continue;
    }
    const at::NoGradGuard no_gradients;
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i].add_(gradient[i]);
  }
  const auto batch = static_cast<double>(step.config.train.batch);
  const NoiseEstimate estimate =
      noise_estimate(squares / parts, squared_norm(sum) / (parts * parts), static_cast<double>(micro_batch_), batch);
  noise_.add(estimate);
  return {noise_.scale(), estimate.trace, estimate.squared_gradient};
}

std::vector<double> UpdateProbes::edge_values(const ProbedStep& step, Optimizer& optimizer) const {
  const Preconditioner p = preconditioner_of(optimizer, step.model);
  if (p.inverse_root.empty() || !(step.learning_rate > 0)) return {kNotMeasured, kNotMeasured};
  const double sharpness = largest_preconditioned_curvature(step, p.inverse_root, kEdgeIterations);
  return {sharpness * step.learning_rate / p.threshold, sharpness};
}

void UpdateProbes::remember(const SeriesRow& row) {
  if (row.group == first_group_ + kCritical && std::isfinite(row.values[1])) last_critical_size_ = row.values[1];
}

void UpdateProbes::restore(std::span<const SeriesRow> rows) {
  noise_ = {};
  last_critical_size_ = 0;
  for (const SeriesRow& row : rows) {
    remember(row);
    if (row.group == first_group_ + kNoise) noise_.add({row.values[1], row.values[2]});
  }
}

}  // namespace precipice
