// SPDX-License-Identifier: Apache-2.0
// A run seen from outside: its directory, finished or still training, is read and never locked or written. The weights
// of any checkpoint, or of the initialisation, under the run's precision or any other recipe; loss and gradient there
// and nearby, on fixed batches. The loss is the run's own without z-loss, in the arithmetic and the order of
// the run's own validation: at a checkpoint's weights, on the validation batches, it has the run's bits.
// Weights, gradients and directions are flat: all parameters one after the other, in the model's order.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "train/analysis/evaluation_batches.h"
#include "train/curvature/double_backward.h"
#include "train/model/model.h"
#include "train/recipes/resolved_run.h"
#include "train/run/run_directory.h"

namespace precipice {

struct EvaluationRequest {
  std::filesystem::path run;
  std::string recipe;                // replaces the run's whole [precision] but its seed; empty: the run's own
  std::optional<GivenTokens> given;  // in place of the validation batches
  std::int64_t max_batches = 0;      // of the validation batches; 0: all
};

struct ParameterSlice {
  std::string name;
  std::vector<std::int64_t> shape;
  std::int64_t offset, size;
};

class RunEvaluator {
 public:
  // Opens config and data. Throws ConfigError (no run there, unknown recipe), DataError. Sets the number of threads to
  // the run's, since the order of sums depends on it.
  explicit RunEvaluator(const EvaluationRequest& request);
  // A second one at the same weights, for another thread; reads no file, which a run that goes on may have removed.
  RunEvaluator(const RunEvaluator& other);
  RunEvaluator& operator=(const RunEvaluator&) = delete;

  const RunConfig& config() const { return evaluated_.config; }  // with the request's recipe
  const std::string& run() const { return run_id_; }             // identity of the run as it was trained
  std::int64_t vocabulary() const { return config().data.vocabulary; }
  const std::vector<Batch>& batches() const { return batches_; }
  const std::vector<ParameterSlice>& parameters() const { return slices_; }
  std::int64_t size() const { return size_; }  // of flat vectors
  const PrecisionPolicy& policy() const { return model_->policy(); }

  // The steps that load() takes now, ascending.
  std::vector<std::int64_t> steps_with_weights() const { return directory_.steps_with_weights(); }
  // Weights of a checkpoint, with its delayed scales where the recipe is the run's; another recipe's are set by one
  // pass over the first batch. Throws ConfigError listing the steps that can be had, DataError when the file is
  // damaged.
  void load(std::int64_t step);
  std::int64_t step() const { return step_; }
  const std::vector<float>& weights() const { return weights_; }
  // Name of the first parameter with a NaN or infinity; "" when all are finite.
  std::string first_non_finite() const;

  // Mean loss over the batches; NaN where it is. Any weights of the right size.
  double loss(std::span<const float> weights);
  // The gradient as the recipe's backward pass gives it (straight through every rounding), summed in fp32.
  LossGradient gradient(std::span<const float> weights);

  // Logits (tokens, V) of a batch, or of vectors outputs (samples, C), at the weights last used, and their loss; tracked by autograd unless told not to.
  at::Tensor logits(const Batch& batch) const;
  at::Tensor loss_of(const Batch& batch) const;
  // Puts these values into the model.
  void set_weights(std::span<const float> weights);
  // J^T u for the logits' gradients u, over one batch, added to `sum` (flat).
  void add_pullback(const at::Tensor& logits, const at::Tensor& upstream, std::span<float> sum);

 private:
  void make_own_model();
  void calibrate_scales();

  RunDirectory directory_;
  RunConfig trained_;
  ResolvedRun evaluated_;  // with the request's recipe
  std::string run_id_;
  bool own_precision_;
  std::vector<Batch> batches_;
  std::unique_ptr<Model> model_;
  std::vector<ParameterSlice> slices_;
  std::int64_t size_ = 0, step_ = 0;
  std::vector<float> weights_;
  mutable ScaleStates scales_;  // validation reads them; the interface makes entries on first use
};

// The parameters in a checkpoint's arrays, under the model's names.
std::vector<NamedArray> checkpoint_parameters(const Checkpoint& checkpoint);

}  // namespace precipice
