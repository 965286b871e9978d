// SPDX-License-Identifier: Apache-2.0
// Group "critical" (step): metrics/curvature/critical_step.h along the optimizer's own update d (decay included):
// eta_c = s learning rate, critical_sharpness = 2 / eta_c; training is unstable above 2 / learning rate. Forward passes
// only, in the emulated precision.
#include <cmath>

#include "metrics/curvature/critical_step.h"
#include "metrics/log/step_record.h"
#include "train/probes/probe.h"

namespace precipice {
namespace {

constexpr double kFirstMultiple = 2;      // of the update, where the first search begins
constexpr std::size_t kCriticalRate = 1;  // its place in a row

class CriticalProbe : public Probe {
 public:
  explicit CriticalProbe(const RunConfig& config)
      : Probe(config, "critical",
              {"critical",
               {{"critical_sharpness", "1", "2 over the smallest learning rate that raises the loss along the update"},
                {"critical_learning_rate", "1", "smallest learning rate that raises the loss along the update"},
                {"critical_passes", "1", "forward passes that finding it took"},
                {"critical_outcome", "1", "0 found, 1 never rises, 2 always rises, 3 no update or no finite loss"}},
               {}}),
        batch_(config.train.batch) {}

  ProbeMemory memory() const override {
    return {.pass = ProbeMemory::Pass::Forward, .batch = batch_, .copies = 2, .kept_copies = 1};
  }

  void before_update(const ProbedStep& step, const TensorVector&, ProbeRow&) override {
    before_ = copy_of_weights(step.model);
  }

  void after_update(const ProbedStep& step, const UpdateResult& update, ProbeRow& row) override {
    const CriticalStep found = update.applied ? search(step) : CriticalStep{kNotMeasured};
    const double rate = found.multiple * step.learning_rate;
    row = {2 / rate, rate, static_cast<double>(found.passes), static_cast<double>(found.outcome)};
    remember(row);
    before_.clear();
  }

  void restore(std::span<const std::span<const double>> rows) override {
    last_rate_ = 0;
    for (const std::span<const double> row : rows) remember(row);
  }

 private:
  // In multiples of the update; the model's weights are as before.
  CriticalStep search(const ProbedStep& step) const {
    if (!(step.learning_rate > 0) || !std::isfinite(step.objective)) return {kNotMeasured};
    const TensorVector after = copy_of_weights(step.model);
    TensorVector update;
    for (std::size_t i = 0; i < after.size(); ++i) update.push_back(after[i].sub(before_[i]));
    const double length = squared_norm(update);
    if (!(length > 0) || !std::isfinite(length)) return {kNotMeasured};
    const auto rise = [&](double multiple) {
      set_weights(step.model, before_, multiple, update);
      return objective_at(step) - step.objective;
    };
    const CriticalStep found =
        find_critical_step(rise, last_rate_ > 0 ? last_rate_ / step.learning_rate : kFirstMultiple);
    set_weights(step.model, after);
    return found;
  }

  void remember(std::span<const double> row) {
    if (std::isfinite(row[kCriticalRate])) last_rate_ = row[kCriticalRate];
  }

  std::int64_t batch_;
  TensorVector before_;   // weights, from before the update to after it
  double last_rate_ = 0;  // eta_c, where the next search begins; 0: none yet
};

}  // namespace

void add_critical_probe(const RunConfig& config, const ModelPlaces&, Probes& probes) {
  probes.push_back(std::make_unique<CriticalProbe>(config));
}

}  // namespace precipice
