// SPDX-License-Identifier: Apache-2.0
#include "train/analysis/curvature.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>

#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "train/model/architectures.h"
#include "train/model/forward_pass.h"

namespace precipice {
namespace {

// In plain fp32, at the weights that are loaded.
PlainLoss plain_loss(const RunEvaluator& evaluator, std::span<const float> weights) {
  const ModelConfig& config = evaluator.config().model;
  const std::shared_ptr<const Model> model =
      make_model(config, evaluator.config().init, evaluator.vocabulary(), evaluator.policy().exact());
  const std::vector<ParameterSlice>& slices = evaluator.parameters();
  for (std::size_t i = 0; i < slices.size(); ++i)
    std::memcpy(model->parameters()[i].value.mutable_data_ptr<float>(), weights.data() + slices[i].offset,
                static_cast<std::size_t>(slices[i].size) * sizeof(float));
  std::vector<BatchTensors> batches;
  for (const Batch& batch : evaluator.batches()) batches.push_back(batch_tensors(batch, config));
  return {model, std::move(batches)};
}

class Differences {
 public:
  Differences(RunEvaluator& evaluator, CurvatureMatrix matrix, double step)
      : evaluator_(evaluator), matrix_(matrix), step_(step) {}

  FlatVector operator()(std::span<const float> v) const {
    const double length = euclidean_norm(v);
    if (length == 0) return FlatVector(v.size(), 0.0f);
    const double h = step_ / length;
    return matrix_ == CurvatureMatrix::Hessian ? hessian(v, h) : ggn(v, h);
  }

 private:
  FlatVector displaced(std::span<const float> v, double h) const {
    FlatVector weights = evaluator_.weights();
    add_scaled(weights, h, v);
    return weights;
  }

  FlatVector hessian(std::span<const float> v, double h) const {
    FlatVector product = evaluator_.gradient(displaced(v, h)).gradient;
    add_scaled(product, -1, evaluator_.gradient(displaced(v, -h)).gradient);
    scale_by(product, 0.5 / h);
    return product;
  }

  FlatVector ggn(std::span<const float> v, double h) const {
    FlatVector sum(v.size(), 0.0f);
    const FlatVector up = displaced(v, h), down = displaced(v, -h);
    const auto logits_at = [&](const FlatVector& weights, const Batch& batch) {
      const at::NoGradGuard no_gradients;
      evaluator_.set_weights(weights);
      return evaluator_.logits(batch);
    };
    const double share = 1.0 / static_cast<double>(evaluator_.batches().size());
    for (const Batch& batch : evaluator_.batches()) {
      const at::Tensor pushed = (logits_at(up, batch) - logits_at(down, batch)) * (0.5 / h);
      evaluator_.set_weights(evaluator_.weights());
      const at::Tensor z = evaluator_.logits(batch);
      evaluator_.add_pullback(z, output_curvature(z, pushed, evaluator_.config().model.kind->task) * share, sum);
    }
    return sum;
  }

  RunEvaluator& evaluator_;
  CurvatureMatrix matrix_;
  double step_;
};

bool rounds_nothing(const PrecisionPolicy& policy) {
  const PrecisionPolicy plain = policy.exact();
  for (std::size_t i = 0; i < policy.num_sites(); ++i)
    if (policy.at(i) != plain.at(i)) return false;
  return policy.elements() == plain.elements();
}

}  // namespace

double default_step(const RunEvaluator& evaluator) {
  return rounds_nothing(evaluator.policy()) ? 1e-3 : 0.1;
}

LinearOperator curvature_operator(RunEvaluator& evaluator, const CurvatureRequest& request) {
  if (request.method == CurvatureMethod::Differences) {
    const double step = request.step > 0 ? request.step : default_step(evaluator);
    return Differences(evaluator, request.matrix, step);
  }
  return [loss = plain_loss(evaluator, evaluator.weights()), matrix = request.matrix](std::span<const float> v) {
    return matrix == CurvatureMatrix::Hessian ? loss.hessian_product(v) : loss.ggn_product(v);
  };
}

LossGradient differentiable_gradient(const RunEvaluator& evaluator, std::span<const float> weights) {
  return plain_loss(evaluator, weights).gradient();
}

}  // namespace precipice
