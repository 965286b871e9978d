// SPDX-License-Identifier: Apache-2.0
#include "train/analysis/run_evaluator.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "precision/base/check.h"
#include "train/model/architectures.h"
#include "train/model/forward_pass.h"
#include "train/run/model_weights.h"
#include "train/run/run_inputs.h"

namespace precipice {
namespace {

constexpr std::string_view kParameterPrefix = "p.";

// `recipe` alone, with the run's seed of stochastic rounding; empty: the run's own precision.
ResolvedRun in_recipe(RunConfig config, const std::string& recipe) {
  if (recipe.empty()) return config;
  const std::optional<std::int64_t> seed = config.precision.seed;
  config.precision = {};
  config.precision.recipe = recipe;
  config.precision.seed = seed;
  try {
    return ResolvedRun(config);
  } catch (const ConfigError& error) {
    throw ConfigError({"", 0, "recipe", recipe}, error.problem());
  }
}

bool has_delayed(const PrecisionPolicy& policy) {
  for (std::size_t i = 0; i < policy.num_sites(); ++i)
    for (const GemmPrecision* gemm : {&policy.at(i).fprop, &policy.at(i).dgrad, &policy.at(i).wgrad})
      for (const Quantizer* operand : {&gemm->first, &gemm->second})
        if (operand->scaling_if<DelayedScaling>() != nullptr) return true;
  return false;
}

}  // namespace

std::vector<NamedArray> checkpoint_parameters(const Checkpoint& checkpoint) {
  std::vector<NamedArray> weights;
  for (const NamedArray& array : checkpoint.arrays)
    if (array.name.starts_with(kParameterPrefix))
      weights.push_back({array.name.substr(kParameterPrefix.size()), array.shape, array.values});
  return weights;
}

RunEvaluator::RunEvaluator(const EvaluationRequest& request)
    : directory_(request.run),
      trained_(directory_.read_config()),
      evaluated_(in_recipe(trained_, request.recipe)),
      run_id_(run_id(trained_)),
      own_precision_(request.recipe.empty()) {
  if (!request.given) check_input(request.run, trained_, kDataInput);
  batches_ = request.given ? read_given_tokens(*request.given, config().model, vocabulary())
                           : validation_batches(config(), request.max_batches);
  make_own_model();
  for (const NamedParameter& parameter : model_->parameters()) {
    slices_.push_back({parameter.name, parameter.value.sizes().vec(), size_, parameter.value.numel()});
    size_ += parameter.value.numel();
  }
}

RunEvaluator::RunEvaluator(const RunEvaluator& other)
    : directory_(other.directory_),
      trained_(other.trained_),
      evaluated_(other.evaluated_),
      run_id_(other.run_id_),
      own_precision_(other.own_precision_),
      batches_(other.batches_),
      slices_(other.slices_),
      size_(other.size_),
      step_(other.step_),
      weights_(other.weights_),
      scales_(other.scales_) {
  make_own_model();
  set_weights(weights_);
}

void RunEvaluator::make_own_model() {
  at::set_num_threads(static_cast<int>(config().threads));
  model_ = make_model(config().model, config().init, vocabulary(), evaluated_.schedule);
}

void RunEvaluator::load(std::int64_t step) {
  const std::optional<Checkpoint> checkpoint = directory_.load_checkpoint(step, run_id_);
  scales_ = ScaleStates();
  step_ = step;
  if (checkpoint) {
    model_->load(checkpoint_parameters(*checkpoint), directory_.checkpoint_file(step).string());
    if (own_precision_)
      for (const NamedArray& array : checkpoint->arrays)
        if (ScaleStates::is_saved_name(array.name)) scales_.restore(array.name, array.values);
  } else {
    check_input(directory_.path(), trained_, kInitInput);
    model_->load(make_model(evaluated_, vocabulary())->weights());  // a recipe has no part in them
  }
  weights_.resize(static_cast<std::size_t>(size_));
  for (std::size_t i = 0; i < slices_.size(); ++i)
    std::memcpy(weights_.data() + slices_[i].offset, model_->parameters()[i].value.const_data_ptr<float>(),
                static_cast<std::size_t>(slices_[i].size) * sizeof(float));
  if (!own_precision_) calibrate_scales();
}

// As a training step would: one forward and backward pass at the initial scales, whose amax then counts.
void RunEvaluator::calibrate_scales() {
  if (!has_delayed(model_->policy())) return;
  const ForwardContext context{static_cast<std::uint64_t>(*config().precision.seed), static_cast<std::uint32_t>(step_),
                               false, nullptr, &scales_};
  const BatchTensors first = batch_tensors(batches_.front(), config().model);
  output_loss(model_->forward(first.inputs, context), first.targets, config().model.context).mean.backward();
  for (const NamedParameter& parameter : model_->parameters()) parameter.value.mutable_grad() = at::Tensor();
  scales_.end_step();
}

std::string RunEvaluator::first_non_finite() const {
  for (const ParameterSlice& slice : slices_)
    for (std::int64_t i = slice.offset; i < slice.offset + slice.size; ++i)
      if (!std::isfinite(weights_[static_cast<std::size_t>(i)])) return slice.name;
  return "";
}

void RunEvaluator::set_weights(std::span<const float> weights) {
  PRECIPICE_CHECK(static_cast<std::int64_t>(weights.size()) == size_, weights.size(), " weights, the model has ",
                  size_);
  for (std::size_t i = 0; i < slices_.size(); ++i)
    std::memcpy(model_->parameters()[i].value.mutable_data_ptr<float>(), weights.data() + slices_[i].offset,
                static_cast<std::size_t>(slices_[i].size) * sizeof(float));
}

at::Tensor RunEvaluator::logits(const Batch& batch) const {
  const ForwardContext context{static_cast<std::uint64_t>(*config().precision.seed), static_cast<std::uint32_t>(step_),
                               true, nullptr, &scales_};
  return model_->forward(batch_tensors(batch, config().model).inputs, context);
}

at::Tensor RunEvaluator::loss_of(const Batch& batch) const {
  return output_loss(logits(batch), batch_tensors(batch, config().model).targets, config().model.context).mean;
}

double RunEvaluator::loss(std::span<const float> weights) {
  const at::NoGradGuard no_gradients;
  set_weights(weights);
  double sum = 0;
  for (const Batch& batch : batches_) sum += loss_of(batch).item<float>();
  return sum / static_cast<double>(batches_.size());
}

void RunEvaluator::add_pullback(const at::Tensor& logits, const at::Tensor& upstream, std::span<float> sum) {
  logits.backward(upstream);
  for (std::size_t i = 0; i < slices_.size(); ++i) {
    at::Tensor& gradient = model_->parameters()[i].value.mutable_grad();
    if (!gradient.defined()) continue;  // a parameter that the logits do not use
    const at::Tensor flat = gradient.contiguous();
    const float* values = flat.const_data_ptr<float>();
    float* out = sum.data() + slices_[i].offset;
    for (std::int64_t j = 0; j < slices_[i].size; ++j) out[j] += values[j];
    gradient = at::Tensor();
  }
}

LossGradient RunEvaluator::gradient(std::span<const float> weights) {
  set_weights(weights);
  LossGradient result;
  result.gradient.assign(static_cast<std::size_t>(size_), 0.0f);
  const double share = 1.0 / static_cast<double>(batches_.size());
  for (const Batch& batch : batches_) {
    const at::Tensor loss = loss_of(batch);
    result.loss += loss.item<float>();
    add_pullback(loss, at::full({}, share, loss.options()), result.gradient);
  }
  result.loss /= static_cast<double>(batches_.size());
  return result;
}

}  // namespace precipice
