// SPDX-License-Identifier: Apache-2.0
// Training, step by step: batch -> forward -> scaled backward -> unscale, check and norm -> scaler decision -> clip ->
// optimizer -> detector -> record. Probes (train/probes/probe.h) look on at four of these moments. Everything here is a
// function of (config, data, step): a trainer restored from a checkpoint goes on with the same bits.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "metrics/divergence/divergence.h"
#include "metrics/log/series.h"
#include "metrics/log/step_record.h"
#include "optim/loss_scaler.h"
#include "optim/optimizer.h"
#include "precision/autograd/gradient_buffers.h"
#include "train/config/run_config.h"
#include "train/data/tokens.h"
#include "train/model/forward_pass.h"
#include "train/model/model.h"
#include "train/probes/due_probes.h"
#include "train/probes/log_groups.h"
#include "train/recipes/resolved_run.h"
#include "train/run/checkpoint.h"
#include "train/run/step_graph.h"
#include "train/run/step_input.h"

namespace precipice {

// Where a trainer keeps weights, gradients and the optimizer's state. The device has a machine (device.h), which rounds
// and multiplies as this one walks over parameters.
struct TrainingDevice {
  at::Device device = at::kCPU;
  const OptimizerMachine* optimizer = &cpu_optimizer_machine();
  GraphUse graphs = GraphUse::Never;
};

class Trainer {
 public:
  // `tokens` outlives the trainer.
  Trainer(const ResolvedRun& run, const TokenSource& tokens, const TrainingDevice& device = {});

  std::vector<SeriesGroup> groups() const;
  std::int64_t steps_done() const { return step_; }
  std::int64_t num_parameters() const { return model_->num_parameters(); }
  std::vector<std::string> site_names() const { return model_->policy().site_names(); }
  const DivergenceDetector& detector() const { return detector_; }

  // Validation where it is due, then one update. The rows carry the number of updates made before them, in
  // the order of their groups: metrics first.
  std::vector<SeriesRow> step();
  // Validation after the last update.
  SeriesRow evaluate();

  // Of the device's graph, since the last call, for the run's log (StepGraph).
  std::optional<std::string> take_note() { return graph_->take_note(); }

  // From now on this observer sees every step's quantizers, beside the probes that are due; null: nobody else does.
  void watch(QuantizationObserver* observer) { watcher_ = observer; }

  Checkpoint checkpoint(const std::string& identity);
  // `rows`: the log up to the checkpoint; the detector's state is what it saw.
  void restore(const Checkpoint& checkpoint, const std::vector<SeriesRow>& rows);

 private:
  // A pass, and the gradient that the update takes.
  struct Gradient {
    ForwardPass pass;
    GradStats stats;
  };
  // `input`: of the step, where the batch is its; null: numbers go with the calls.
  ForwardPass forward_and_backward(const BatchTensors& batch, StepObservers& observers, StepLedger* ledger,
                                   const StepInput* input = nullptr);
  // The same gradient; on a device by way of a ledger, without waiting for anything but that.
  Gradient gradient_of(const Batch& batch, StepObservers& observers);
  std::optional<Gradient> gradient_by_ledger(const Batch& batch, StepObservers& observers);
  // A step, but for what is known before it.
  struct Update {
    double train_loss = 0;
    LogitStatistics statistics;
    Optimizer::QueuedStep made;
  };
  Update update_watched(const Batch& batch, StepObservers& observers, double schedule);
  // The same where nobody looks on before the update; on a device everything is queued before anything is waited for. Nothing
  // where what was taken for granted does not hold.
  std::optional<Update> update_at_once(const Batch& batch, double schedule);
  // What a step of the device queues, from input_ on, and what of it the host then reads; of a step that was captured for every
  // replay.
  struct QueuedUpdate {
    ForwardPass pass;  // only what take_late_values() wants
    StepLedger::Gathered found;
  };
  QueuedUpdate queue_update(double schedule);
  const char* obstacle_to_capture() const;
  bool capture_update(double schedule);
  std::optional<double> sum_of_validation_losses(StepLedger* ledger);
  StepRecord record_of(const Update& update, double loss_scale, double schedule) const;
  void detect(StepRecord& record);
  // Of a pass, whose weights are about to change.
  void forget_amaxes() const;
  std::vector<std::pair<std::string, FloatSpan>> state_spans();

  RunConfig config_;
  at::Device device_;
  const TokenSource& tokens_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<GradientBuffers> gradients_;
  std::unique_ptr<Optimizer> optimizer_;
  LossScaler scaler_;
  DivergenceDetector detector_;
  DueProbes probes_;
  QuantizationObserver* watcher_ = nullptr;
  ScaleStates scales_;
  // On a device: what goes up for a step, the step as a graph, and what the step's ledger is told of the update.
  StepInput input_;
  QueuedUpdate captured_;
  std::unique_ptr<StepGraph> graph_;
  Optimizer::QueuedStep made_;
  std::int64_t step_ = 0;
};

}  // namespace precipice
