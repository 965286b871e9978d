// SPDX-License-Identifier: Apache-2.0
// Group "noise" (step): the gradient noise scale of metrics/tensors/noise_scale.h from up to kMicroBatches parts of the
// batch, at the weights before the update, in the emulated precision. One forward and backward pass, in parts.
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <optional>
#include <type_traits>

#include "metrics/log/step_record.h"
#include "metrics/tensors/noise_scale.h"
#include "precision/base/check.h"
#include "train/probes/probe.h"
#include "train/recipes/operand_shapes.h"

namespace precipice {
namespace {

constexpr std::int64_t kMicroBatches = 4;
constexpr std::size_t kTrace = 1, kSquaredGradient = 2;  // their places in a row

// The largest number of equal parts whose operands the run's quantizers can block, as sequences of a part; 0: none.
std::int64_t micro_batch_of(const RunConfig& config, const PrecisionSchedule& schedule) {
  for (std::int64_t parts = std::min(kMicroBatches, config.train.batch); parts > 1; --parts) {
    if (config.train.batch % parts != 0) continue;
    RunConfig part = config;
    part.train.batch = config.train.batch / parts;
    try {
      check_operand_shapes(schedule, part);
      return part.train.batch;
    } catch (const ConfigError&) {
      continue;
    }
  }
  return 0;
}

// Sequences, or samples, [first, first + count) of `all`.
Batch part_of(const Batch& batch, std::int64_t first, std::int64_t count, std::int64_t all) {
  const auto cut = [&](const auto& values) {
    const auto row = static_cast<std::ptrdiff_t>(values.size()) / all;
    const auto begin = values.begin() + first * row;
    return std::decay_t<decltype(values)>(begin, begin + count * row);
  };
  return {cut(batch.x), cut(batch.y), cut(batch.inputs), cut(batch.targets)};
}

class NoiseProbe : public Probe {
 public:
  explicit NoiseProbe(const RunConfig& config)
      : Probe(config, "noise",
              {"noise",
               {{"gradient_noise_scale", "sequences", "averaged trace of the gradient's covariance over its square"},
                {"noise_trace", "1", "trace of the covariance of one sequence's gradient"},
                {"noise_squared_gradient", "1", "squared norm of the gradient without noise"}},
               {}}),
        batch_(config.train.batch) {}

  ProbeMemory memory() const override {
    return {
        .pass = ProbeMemory::Pass::Backward, .batch = std::max<std::int64_t>(1, batch_ / kMicroBatches), .copies = 1};
  }

  void before_update(const ProbedStep& step, const TensorVector&, ProbeRow& row) override {
    if (!micro_batch_) micro_batch_ = micro_batch_of(step.config, step.model.schedule());
    row = {kNotMeasured, kNotMeasured, kNotMeasured};
    if (*micro_batch_ == 0) return;
    const NoiseEstimate estimate = measure(step);
    average_.add(estimate);
    row = {average_.scale(), estimate.trace, estimate.squared_gradient};
  }

  void restore(std::span<const std::span<const double>> rows) override {
    average_ = {};
    for (const std::span<const double> row : rows) average_.add({row[kTrace], row[kSquaredGradient]});
  }

 private:
  NoiseEstimate measure(const ProbedStep& step) const {
    TensorVector sum;
    double squares = 0, parts = 0;
    for (std::int64_t first = 0; first < batch_; first += *micro_batch_, ++parts) {
      TensorVector gradient = gradient_at(step, part_of(step.batch, first, *micro_batch_, batch_));
      squares += squared_norm(gradient);
      if (sum.empty()) {
        sum = std::move(gradient);
        continue;
      }
      const at::NoGradGuard no_gradients;
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i].add_(gradient[i]);
    }
    return noise_estimate(squares / parts, squared_norm(sum) / (parts * parts), static_cast<double>(*micro_batch_),
                          static_cast<double>(batch_));
  }

  std::int64_t batch_;
  std::optional<std::int64_t> micro_batch_;  // sequences, once known; 0: the batch cannot be divided
  NoiseAverage average_;
};

}  // namespace

void add_noise_probe(const RunConfig& config, const ModelPlaces&, Probes& probes) {
  probes.push_back(std::make_unique<NoiseProbe>(config));
}

}  // namespace precipice
