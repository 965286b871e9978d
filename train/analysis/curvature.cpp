// SPDX-License-Identifier: Apache-2.0
#include "train/analysis/curvature.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/autograd.h>

#include "precision/base/check.h"
#include "train/model/architectures.h"

namespace precipice {
namespace {

using torch::autograd::grad;
using torch::autograd::variable_list;

// A model in plain fp32 at given weights, its parameters the leaves of a graph.
class PlainModel {
 public:
  PlainModel(const RunEvaluator& evaluator, std::span<const float> weights)
      : slices_(evaluator.parameters()), model_(fp32_model(evaluator)) {
    const variable_list values = views(weights);
    const at::NoGradGuard guard;
    for (std::size_t i = 0; i < slices_.size(); ++i) {
      at::Tensor leaf = model_->parameters()[i].value;
      leaf.copy_(values[i]);
      leaves_.push_back(leaf);
    }
  }

  const variable_list& leaves() const { return leaves_; }

  // (tokens, V), from which autograd can go back twice
  at::Tensor logits(const at::Tensor& tokens) const {
    ForwardContext context;
    context.plain = true;
    return model_->forward(tokens, context);
  }

  // A flat vector as tensors of the parameters' shapes; they look into its memory.
  variable_list views(std::span<const float> flat) const {
    variable_list result;
    for (const ParameterSlice& slice : slices_)
      result.push_back(
          at::from_blob(const_cast<float*>(flat.data()) + slice.offset, slice.shape, at::TensorOptions(at::kFloat)));
    return result;
  }

  void add_to(std::span<float> flat, const variable_list& tensors, double factor) const {
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      if (!tensors[i].defined()) continue;  // nothing depends on it
      const at::Tensor values = tensors[i].detach().contiguous();
      add_scaled(flat.subspan(static_cast<std::size_t>(slices_[i].offset), static_cast<std::size_t>(slices_[i].size)),
                 factor, {values.const_data_ptr<float>(), static_cast<std::size_t>(slices_[i].size)});
    }
  }

 private:
  static std::shared_ptr<const Model> fp32_model(const RunEvaluator& evaluator) {
    const ModelConfig& config = evaluator.config().model;
    return make_model(config, evaluator.config().init, evaluator.vocabulary(),
                      PrecisionPolicy(config.layers, config.kind->block_sites));
  }

  const std::vector<ParameterSlice>& slices_;
  std::shared_ptr<const Model> model_;
  variable_list leaves_;
};

at::Tensor scalar_product(const variable_list& a, const variable_list& b) {
  at::Tensor sum;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!a[i].defined()) continue;
    const at::Tensor part = (a[i] * b[i]).sum();
    sum = sum.defined() ? sum + part : part;
  }
  return sum;
}

// (diag p - p p^T) y per token, over N tokens.
at::Tensor output_curvature(const at::Tensor& logits, const at::Tensor& y) {
  const at::Tensor p = at::softmax(logits.detach(), -1), py = p * y;
  return (py - p * py.sum(-1, true)) / static_cast<double>(logits.size(0));
}

class DoubleBackward {
 public:
  DoubleBackward(const RunEvaluator& evaluator, CurvatureMatrix matrix)
      : evaluator_(evaluator), matrix_(matrix), model_(evaluator, evaluator.weights()) {}

  FlatVector operator()(std::span<const float> v) const {
    FlatVector sum(v.size(), 0.0f);
    const variable_list direction = model_.views(v);
    const double share = 1.0 / static_cast<double>(evaluator_.batches().size());
    for (const Batch& batch : evaluator_.batches()) {
      const at::Tensor z = model_.logits(evaluator_.inputs(batch));
      model_.add_to(sum,
                    matrix_ == CurvatureMatrix::Hessian
                        ? hessian(cross_entropy(z, evaluator_.targets(batch)), direction)
                        : ggn(z, direction),
                    share);
    }
    return sum;
  }

 private:
  variable_list hessian(const at::Tensor& loss, const variable_list& direction) const {
    const variable_list g = grad({loss}, model_.leaves(), {}, true, true, true);
    return grad({scalar_product(g, direction)}, model_.leaves(), {}, false, false, true);
  }

  variable_list ggn(const at::Tensor& z, const variable_list& direction) const {
    const at::Tensor u = at::zeros_like(z).set_requires_grad(true);
    const variable_list pulled = grad({z}, model_.leaves(), {u}, true, true, true);
    const at::Tensor pushed = grad({scalar_product(pulled, direction)}, {u}, {}, true, false, true)[0];
    return grad({z}, model_.leaves(), {output_curvature(z, pushed)}, false, false, true);
  }

  const RunEvaluator& evaluator_;
  CurvatureMatrix matrix_;
  PlainModel model_;
};

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
      evaluator_.add_pullback(z, output_curvature(z, pushed) * share, sum);
    }
    return sum;
  }

  RunEvaluator& evaluator_;
  CurvatureMatrix matrix_;
  double step_;
};

bool rounds_nothing(const PrecisionPolicy& policy) {
  const PrecisionPolicy plain(policy.layers(), policy.block_sites());
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
  return DoubleBackward(evaluator, request.matrix);
}

LossGradient differentiable_gradient(const RunEvaluator& evaluator, std::span<const float> weights) {
  const PlainModel model(evaluator, weights);
  LossGradient result;
  result.gradient.assign(weights.size(), 0.0f);
  const auto count = static_cast<double>(evaluator.batches().size());
  for (const Batch& batch : evaluator.batches()) {
    const at::Tensor z = model.logits(evaluator.inputs(batch));
    const at::Tensor loss = cross_entropy(z, evaluator.targets(batch));
    result.loss += loss.item<float>() / count;
    model.add_to(result.gradient, grad({loss}, model.leaves(), {}, false, false, true), 1 / count);
  }
  return result;
}

}  // namespace precipice
