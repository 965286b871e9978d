// SPDX-License-Identifier: Apache-2.0
// What the precision does to a gradient: the step's gradient (unscaled, before clipping) against that of the same batch
// at the same weights with nothing rounded, by a second model in fp32 that is made when first needed.
//   gradient_error    (step)             zeta_norm, gradient_cosine over all parameters
//                                        (metrics/tensors/gradient_error.h)
//   parameter_errors  (step, parameter)  the same for each, error_norm = |e|, and for chosen matrices
//                                        error_spectral_norm, the largest singular value of e: near error_norm where
//                                        the error has low rank (arXiv 2510.04212)
//   gradient_bias     (step)             the error along the exact gradient, e . g / |g|^2, over all parameters and over
//                                        the matrices alone (dw); every metrics.gradient_bias_every
//   parameter_bias    (step, parameter)  the same for each
#include <algorithm>
#include <cmath>
#include <span>

#include "metrics/log/step_record.h"
#include "metrics/tensors/gradient_error.h"
#include "train/config/name_patterns.h"
#include "train/probes/exact_model.h"
#include "train/probes/float_span.h"
#include "train/probes/probe.h"
#include "train/probes/spectral_norms.h"

namespace precipice {
namespace {

// The dense matrix of the singular values has the smaller of the two sides.
double spectral_norm(const at::Tensor& matrix) {
  return block_spectral_norms(matrix.size(0) > matrix.size(1) ? matrix.t().contiguous() : matrix, 1)[0];
}

const Series kZeta{"zeta_norm", "1", "squared norm of the gradient's error over that of the fp32 gradient"};
const Series kBias{"gradient_bias", "1", "the gradient's error along the fp32 gradient, relative to it"};
const Series kCosine{"gradient_cosine", "1", "cosine of the gradient and the fp32 gradient"};

// The gradient of a step with nothing rounded, computed once for all probes that ask for it.
class ExactGradient {
 public:
  const TensorVector& of(const ProbedStep& step) {
    if (step_ != step.step) {
      const ScaleStates none;
      gradient_ = gradient_at(exact_step(step, *model_.at(step), none), step.batch);
    }
    step_ = step.step;
    return gradient_;
  }
  void forget() {
    gradient_.clear();
    step_ = -1;
  }

 private:
  ExactModel model_;
  TensorVector gradient_;
  std::int64_t step_ = -1;  // of gradient_
};

class GradientErrorProbe : public Probe {
 public:
  GradientErrorProbe(const RunConfig& config, std::shared_ptr<ExactGradient> exact)
      : Probe(config, "gradient_error", {"gradient_error", {kZeta, kCosine}, {}}),
        exact_(std::move(exact)),
        batch_(config.train.batch) {}

  ProbeMemory memory() const override {
    return {.pass = ProbeMemory::Pass::Backward, .batch = batch_, .is_exact = true, .copies = 1};
  }

  void before_update(const ProbedStep& step, const TensorVector& gradients, ProbeRow& row) override {
    const TensorVector& exact = exact_->of(step);
    GradientError all;
    for (std::size_t i = 0; i < exact.size(); ++i) all += gradient_error(floats(gradients[i]), floats(exact[i]));
    row = {all.zeta_norm(), all.cosine()};
  }

 private:
  std::shared_ptr<ExactGradient> exact_;
  std::int64_t batch_;
};

class ParameterErrorsProbe : public Probe {
 public:
  ParameterErrorsProbe(const RunConfig& config, const ModelPlaces& places, std::shared_ptr<ExactGradient> exact)
      : Probe(config, "gradient_error",
              {"parameter_errors",
               {kZeta,
                kCosine,
                {"error_norm", "1", "norm of the gradient's error"},
                {"error_spectral_norm", "1", "largest singular value of the gradient's error"}},
               places.parameters}),
        exact_(std::move(exact)),
        matrices_(config.metrics.gradient_error_matrices),
        bias_every_(config.metrics.intervals.at("gradient_bias")) {}

  void before_update(const ProbedStep& step, const TensorVector& gradients, ProbeRow& row) override {
    const TensorVector& exact = exact_->of(step);
    const std::size_t count = exact.size();
    row.assign(4 * count, kNotMeasured);
    for (std::size_t i = 0; i < count; ++i) {
      const GradientError one = gradient_error(floats(gradients[i]), floats(exact[i]));
      row[i] = one.zeta_norm();
      row[count + i] = one.cosine();
      row[2 * count + i] = std::sqrt(one.error);
      if (exact[i].dim() == 2 && matches_any(matrices_, step.model.parameters()[i].name))
        row[3 * count + i] = spectral_norm(gradients[i].sub(exact[i]));
    }
    if (!is_due(bias_every_, step.step)) exact_->forget();  // else the bias reads it next
  }

 private:
  std::shared_ptr<ExactGradient> exact_;
  std::string matrices_;
  std::int64_t bias_every_;
};

// Below 0: what rounds makes the step's gradient too short, as truncated sums do; noise alone has a mean of 0.
class GradientBiasProbe : public Probe {
 public:
  GradientBiasProbe(const RunConfig& config, std::shared_ptr<ExactGradient> exact)
      : Probe(config, "gradient_bias",
              {"gradient_bias",
               {kBias, {"matrix_bias", "1", "the same over the parameters of two dimensions alone (dw)"}},
               {}}),
        exact_(std::move(exact)),
        batch_(config.train.batch) {}

  ProbeMemory memory() const override {
    return {.pass = ProbeMemory::Pass::Backward, .batch = batch_, .is_exact = true, .copies = 1};
  }

  void before_update(const ProbedStep& step, const TensorVector& gradients, ProbeRow& row) override {
    const TensorVector& exact = exact_->of(step);
    GradientError all, matrices;
    for (std::size_t i = 0; i < exact.size(); ++i) {
      const GradientError one = gradient_error(floats(gradients[i]), floats(exact[i]));
      all += one;
      if (exact[i].dim() == 2) matrices += one;
    }
    row = {all.bias(), matrices.bias()};
  }

 private:
  std::shared_ptr<ExactGradient> exact_;
  std::int64_t batch_;
};

class ParameterBiasProbe : public Probe {
 public:
  ParameterBiasProbe(const RunConfig& config, const ModelPlaces& places, std::shared_ptr<ExactGradient> exact)
      : Probe(config, "gradient_bias", {"parameter_bias", {kBias}, places.parameters}), exact_(std::move(exact)) {}

  void before_update(const ProbedStep& step, const TensorVector& gradients, ProbeRow& row) override {
    const TensorVector& exact = exact_->of(step);
    for (std::size_t i = 0; i < exact.size(); ++i)
      row.push_back(gradient_error(floats(gradients[i]), floats(exact[i])).bias());
    exact_->forget();
  }

 private:
  std::shared_ptr<ExactGradient> exact_;
};

}  // namespace

void add_gradient_error_probes(const RunConfig& config, const ModelPlaces& places, Probes& probes) {
  const auto exact = std::make_shared<ExactGradient>();
  probes.push_back(std::make_unique<GradientErrorProbe>(config, exact));
  probes.push_back(std::make_unique<ParameterErrorsProbe>(config, places, exact));
  probes.push_back(std::make_unique<GradientBiasProbe>(config, exact));
  probes.push_back(std::make_unique<ParameterBiasProbe>(config, places, exact));
}

}  // namespace precipice
