// SPDX-License-Identifier: Apache-2.0
// An online metric: one group of series in run.h5, the interval at which a row of it is due, and the moments of a
// training step at which it may look. At a step at which a probe is due the trainer calls its hooks, in the order
// below, and whichever of them knows the values fills the row. Nothing that training reads may differ afterwards by a bit: not
// weights, gradients, scales or random streams. docs/ADDING.md shows what a new probe takes.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "metrics/log/series.h"
#include "optim/optimizer.h"
#include "train/probes/probed_step.h"
#include "train/probes/step_observers.h"

namespace precipice {

// Names of the places of a model that a series may have a value of each.
struct ModelPlaces {
  std::vector<std::string> sites;       // of the matmuls (policy.h)
  std::vector<std::string> norms;       // that have gains
  std::vector<std::string> parameters;  // in the model's order
};
ModelPlaces places_of(const Model& model);
// Gains of norms: parameters of one dimension under the name of their norm and ".weight".
std::vector<at::Tensor> gains_of(const Model& model);

// Values of a group's row as in SeriesRow. Left empty: there is no row at this step.
using ProbeRow = std::vector<double>;

struct UpdateResult {
  Optimizer& optimizer;
  bool applied;  // false: the loss scaler skipped the update
};

// What a probe holds at a step at which it is due, beside what the step itself holds (train/estimates/memory_estimate.h).
struct ProbeMemory {
  enum class Pass { None, Forward, Backward };  // of its own; Backward: forward and backward
  Pass pass = Pass::None;
  std::int64_t batch = 0;  // sequences of that pass
  bool is_exact = false;   // nothing is rounded in it
  double copies = 0;       // of all weights, while it runs
  double kept_copies = 0;  // of all weights, from before the update to after it
  bool observes = false;   // it asks to see operands or attention weights of the step's own pass
};

class Probe {
 public:
  // `interval`: a name of metric_intervals(). Making a probe is cheap and needs no model, so that what a run will log
  // is known from its config; what is large waits for the first hook.
  Probe(const RunConfig& config, std::string interval, SeriesGroup group);
  virtual ~Probe() = default;
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

  const SeriesGroup& group() const { return group_; }
  const std::string& interval() const { return interval_; }
  std::int64_t every() const { return every_; }
  virtual ProbeMemory memory() const { return {}; }

  // Asks for what the step's own pass can show.
  virtual void before_forward(ForwardRequest& /*request*/) {}
  virtual void after_backward(const ForwardPass& /*pass*/, ProbeRow& /*row*/) {}
  // `gradients` of the step: unscaled, not clipped. The weights are those that they were computed at.
  virtual void before_update(const ProbedStep& /*step*/, const TensorVector& /*gradients*/, ProbeRow& /*row*/) {}
  // After the update, or after it was skipped.
  virtual void after_update(const ProbedStep& /*step*/, const UpdateResult& /*update*/, ProbeRow& /*row*/) {}

  // What a run resumed after these rows of the probe's own group goes on with: the rows are all that is kept.
  virtual void restore(std::span<const std::span<const double>> /*rows*/) {}

 private:
  std::string interval_;
  std::int64_t every_;
  SeriesGroup group_;
};

using Probes = std::vector<std::unique_ptr<Probe>>;

}  // namespace precipice
