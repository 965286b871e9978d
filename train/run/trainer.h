// SPDX-License-Identifier: Apache-2.0
// Training, step by step: batch -> forward -> scaled backward -> unscale, check and norm -> scaler decision -> clip ->
// optimizer -> record -> detector -> probes. Everything here is a function of (config, data, step): a trainer restored
// from a checkpoint goes on with the same bits.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "metrics/divergence/divergence.h"
#include "metrics/log/series.h"
#include "metrics/log/step_record.h"
#include "metrics/logits/logit_ascent.h"
#include "metrics/tensors/exponent_histograms.h"
#include "metrics/tensors/tensor_stats.h"
#include "optim/loss_scaler.h"
#include "optim/optimizer.h"
#include "precision/autograd/gradient_buffers.h"
#include "train/config/run_config.h"
#include "train/data/tokens.h"
#include "train/model/forward_pass.h"
#include "train/model/model.h"
#include "train/probes/activation_probe.h"
#include "train/probes/gradient_error_probe.h"
#include "train/probes/update_probes.h"
#include "train/run/checkpoint.h"

namespace precipice {

// Groups in the order of their indices in SeriesRow.
enum LogGroup : std::uint16_t {
  kMetricsGroup,
  kEvalGroup,
  kSharpnessGroup,
  kTensorsGroup,
  kAttentionGroup,
  kHeadsGroup,
  kActivationsGroup,
  kNormsGroup,
  kCriticalGroup,
  kSamGroup,
  kNoiseGroup,
  kEdgeGroup,
  kGradientErrorGroup,
  kParameterErrorsGroup,
  kLbfgsGroup,
  kHistogramsGroup
};

class Trainer {
 public:
  // `config` is resolved; `tokens` outlives the trainer.
  Trainer(const RunConfig& config, const TokenSource& tokens);
  ~Trainer();

  std::vector<SeriesGroup> groups() const;
  std::int64_t steps_done() const { return step_; }
  std::int64_t num_parameters() const { return model_->num_parameters(); }
  const DivergenceDetector& detector() const { return detector_; }

  // Validation where it is due, then one update. The rows carry the number of updates made before them, in
  // the order of their groups: metrics first.
  std::vector<SeriesRow> step();
  // Validation after the last update.
  SeriesRow evaluate();

  // From now on this observer sees every step's quantizers, in place of the tensor statistics; null: nobody does.
  void watch(QuantizationObserver* observer) { watcher_ = observer; }

  Checkpoint checkpoint(const std::string& identity);
  // `rows`: the log up to the checkpoint; the detector's state is what it saw.
  void restore(const Checkpoint& checkpoint, const std::vector<SeriesRow>& rows);

 private:
  class StepObserver;

  ForwardPass forward_and_backward(const Batch& batch, const ForwardContext& context, std::span<const double> epsilons);
  SeriesRow ascent_row(const ForwardPass& forward) const;
  bool due(std::int64_t every) const { return every > 0 && step_ % every == 0; }
  std::vector<std::pair<std::string, FloatSpan>> state_spans();

  RunConfig config_;
  const TokenSource& tokens_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<GradientBuffers> gradients_;
  std::unique_ptr<Optimizer> optimizer_;
  LossScaler scaler_;
  DivergenceDetector detector_;
  std::unique_ptr<TensorStats> tensor_stats_;
  std::unique_ptr<ActivationProbe> activations_;
  std::unique_ptr<ExponentHistograms> histograms_;
  std::unique_ptr<StepObserver> observer_;
  QuantizationObserver* watcher_ = nullptr;
  UpdateProbes update_probes_;
  GradientErrorProbe gradient_error_;
  std::optional<RandomSubspace> logit_subspace_;  // of the L-BFGS sharpness, where one is asked for
  ScaleStates scales_;
  std::int64_t step_ = 0;
};

}  // namespace precipice
