// SPDX-License-Identifier: Apache-2.0
#include "train/run/trainer.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <ATen/ops/max.h>

#include <algorithm>
#include <cmath>

#include "metrics/logits/logit_sharpness.h"
#include "precision/base/check.h"
#include "precision/gemm/gemm.h"
#include "train/run/model_weights.h"
#include "train/run/tensor_memory.h"

namespace precipice {
namespace {

FloatSpan span_of(const at::Tensor& tensor) {
  return {tensor.mutable_data_ptr<float>(), tensor.numel()};
}

std::span<const float> floats(const at::Tensor& tensor) {
  return {tensor.const_data_ptr<float>(), static_cast<std::size_t>(tensor.numel())};
}

// Matrices and embeddings decay, vectors do not (nanoGPT's configure_optimizers).
bool decays(const at::Tensor& value) {
  return value.dim() >= 2;
}

SeriesGroup eval_group() {
  return {"eval",
          {{"validation_loss", "nats", "mean cross-entropy on the validation batches, per token"},
           {"excess_loss", "nats", "validation loss above the entropy rate of the source; NaN where that is unknown"}},
          {}};
}

// Series of metrics/tensors/exponent_histograms.h.
std::size_t operand_series(Slot slot) {
  if (slot == Slot::FpropX || slot == Slot::WgradX) return 0;
  return slot == Slot::FpropW || slot == Slot::DgradW ? 1 : 2;
}

std::size_t taken_series(Slot slot) {
  return 3 + static_cast<std::size_t>(slot);
}

bool is_operand(Slot slot) {
  return slot <= Slot::WgradX;
}

RoundingError error_of(const at::Tensor& operand, const Quantized& taken) {
  const at::Tensor x = operand.detach().contiguous();
  if (!taken.scales.defined()) {
    const at::Tensor values = taken.values.detach().contiguous();
    if (values.scalar_type() == at::kFloat) return rounding_error(floats(x), floats(values), taken.scale);
    const auto* packed = static_cast<const std::uint16_t*>(values.const_data_ptr());
    return rounding_error(floats(x), std::span(packed, static_cast<std::size_t>(values.numel())), taken.scale);
  }
  RoundingError error = rounding_error(floats(x), floats(dequantized(taken).detach()));
  error.scale = taken.scales.max().item<double>();
  return error;
}

}  // namespace

// Collects what this step is asked for.
class Trainer::StepObserver : public QuantizationObserver {
 public:
  StepObserver(TensorStats& stats, ActivationProbe& activations, ExponentHistograms& histograms)
      : stats_(stats), activations_(activations), histograms_(histograms) {}
  void collect(bool tensors, bool activations, bool histograms) {
    collects_tensors_ = tensors;
    collects_activations_ = activations;
    collects_histograms_ = histograms;
    if (tensors) stats_.clear();
    if (activations) activations_.clear();
    if (histograms) histograms_.clear();
  }
  void observe(std::size_t site, Slot slot, const EventCounts& events) override {
    if (!collects_tensors_) return;
    if (is_operand(slot)) stats_.record(site, static_cast<std::size_t>(slot), events);
  }
  void see(std::size_t site, Slot slot, const at::Tensor& operand) override {
    if (collects_activations_ && slot == Slot::FpropX) activations_.operand(site, operand);
    if (collects_histograms_ && (slot == Slot::FpropX || slot == Slot::FpropW || slot == Slot::DgradDy))
      histograms_.add(site, operand_series(slot), floats(operand.detach().contiguous()));
  }
  void take(std::size_t site, Slot slot, const at::Tensor& operand, const Quantized& taken) override {
    if (collects_histograms_)
      histograms_.add(site, taken_series(slot), floats(taken.widened().values.detach().contiguous()));
    if (!collects_tensors_) return;
    if (operand.defined())
      stats_.record(site, static_cast<std::size_t>(slot), error_of(operand, taken));
    else if (slot == Slot::DgradW || slot == Slot::WgradDy || slot == Slot::WgradX)
      stats_.share(site, operand_series(slot), static_cast<std::size_t>(slot));
  }

 private:
  TensorStats& stats_;
  ActivationProbe& activations_;
  ExponentHistograms& histograms_;
  bool collects_tensors_ = false, collects_activations_ = false, collects_histograms_ = false;
};

Trainer::Trainer(const RunConfig& config, const TokenSource& tokens)
    : config_(config),
      tokens_(tokens),
      model_(make_model(config, tokens.vocabulary())),
      scaler_(config.loss_scale),
      detector_(config.divergence),
      tensor_stats_(std::make_unique<TensorStats>(model_->policy().site_names())),
      activations_(std::make_unique<ActivationProbe>(*model_, config.model)),
      histograms_(std::make_unique<ExponentHistograms>(model_->policy().site_names())),
      observer_(std::make_unique<StepObserver>(*tensor_stats_, *activations_, *histograms_)),
      update_probes_(config, kCriticalGroup),
      gradient_error_(config, *model_, kGradientErrorGroup) {
  std::vector<Parameter> parameters;
  std::vector<at::Tensor> values;
  for (const auto& parameter : model_->parameters()) values.push_back(parameter.value);
  gradients_ = std::make_unique<GradientBuffers>(values);
  for (std::size_t i = 0; i < values.size(); ++i)
    parameters.push_back(
        {model_->parameters()[i].name, span_of(values[i]), span_of(gradients_->buffers()[i]), decays(values[i])});
  if (config.metrics.lbfgs_every > 0 && config.metrics.lbfgs_subspace > 0)
    logit_subspace_ = logit_subspace(tokens.vocabulary(), config.metrics.lbfgs_subspace);
  optimizer_ =
      make_optimizer(config.optimizer, std::move(parameters), static_cast<std::uint64_t>(*config.precision.seed));
}

Trainer::~Trainer() = default;

std::vector<SeriesGroup> Trainer::groups() const {
  std::vector<SeriesGroup> groups{step_record_group(), eval_group(), sharpness_group(config_.metrics.epsilons),
                                  tensor_stats_->group()};
  for (const auto& more : {activations_->groups(), update_probes_.groups(), gradient_error_.groups()})
    groups.insert(groups.end(), more.begin(), more.end());
  groups.push_back(ascent_group(config_.metrics.epsilons, config_.metrics.lbfgs_subspace));
  groups.push_back(histograms_->group());
  return groups;
}

ForwardPass Trainer::forward_and_backward(const Batch& batch, const ForwardContext& context,
                                          std::span<const double> epsilons) {
  const GradientBuffers::Recording recording(*gradients_);
  ForwardPass pass = forward_pass(*model_, config_, batch, context, epsilons);
  gradients_->backward(pass.objective, at::full({}, scaler_.scale(), pass.objective.options()));
  return pass;
}

SeriesRow Trainer::ascent_row(const ForwardPass& forward) const {
  const at::Tensor logits = forward.logits.detach();
  const std::int64_t context = config_.model.context;
  const std::span<const std::int64_t> targets{forward.targets.const_data_ptr<std::int64_t>(),
                                              static_cast<std::size_t>(forward.targets.numel())};
  return {kLbfgsGroup, step_,
          ascent_values(last_token_ascent(floats(logits), targets, forward.targets.numel() / context, context,
                                          tokens_.vocabulary(), config_.metrics.epsilons,
                                          logit_subspace_ ? &*logit_subspace_ : nullptr))};
}

std::vector<SeriesRow> Trainer::step() {
  std::vector<SeriesRow> rows;
  if (due(config_.train.eval_every)) rows.push_back(evaluate());

  const bool watch_tensors = due(config_.metrics.tensors_every) && !watcher_;
  const bool watch_activations = due(config_.metrics.attention_every) && !watcher_;
  const bool watch_histograms = due(config_.metrics.histograms_every) && !watcher_;
  observer_->collect(watch_tensors, watch_activations, watch_histograms);
  ForwardContext context{static_cast<std::uint64_t>(*config_.precision.seed), static_cast<std::uint32_t>(step_)};
  context.observer = watch_tensors || watch_activations || watch_histograms ? observer_.get() : watcher_;
  context.attention = watch_activations ? activations_.get() : nullptr;
  context.scales = &scales_;
  const bool watch_sharpness = due(config_.metrics.sharpness_every) && !config_.metrics.epsilons.empty();
  const Batch batch = tokens_.training_batch(step_);
  const ForwardPass pass = forward_and_backward(
      batch, context, watch_sharpness ? std::span<const double>(config_.metrics.epsilons) : std::span<const double>());

  StepRecord record;
  record.train_loss = pass.loss.item<float>();
  record.loss_scale = scaler_.scale();
  // Before the update: these are the weights that the activations were computed with.
  if (watch_activations)
    for (SeriesRow& row : activations_->rows(kAttentionGroup, step_)) rows.push_back(std::move(row));
  const GradStats gradients = optimizer_->unscale(scaler_.scale());
  record.grad_norm = gradients.norm;
  const double factor = schedule_factor(config_.schedule, step_, config_.train.steps);
  record.learning_rate = config_.optimizer.lr * factor;

  const ProbedStep probed{
      *model_, config_, batch, scales_, step_, pass.objective.item<float>(), record.learning_rate, record.loss_scale};
  update_probes_.before_update(probed, gradients_->buffers(), rows);
  gradient_error_.before_update(probed, gradients_->buffers(), rows);
  if (scaler_.update(gradients.finite) == LossScaler::Decision::Apply) {
    const UpdateStats update = optimizer_->step(factor, gradients.norm);
    record.param_norm = update.param_norm;
    record.update_ratio = update.update_ratio;
  } else {
    record.skipped = 1;
  }
  update_probes_.after_update(probed, record.skipped == 0, *optimizer_, rows);

  detector_.observe(step_, record.train_loss, record.grad_norm);
  record.loss_mean = detector_.loss_mean();
  record.loss_spikes = static_cast<double>(detector_.loss_spikes());
  record.grad_spikes = static_cast<double>(detector_.grad_spikes());
  record.max_logit = pass.statistics.max_logit;
  record.log_z = pass.statistics.log_z;
  if (watch_sharpness) rows.push_back({kSharpnessGroup, step_, sharpness_values(pass.sharpness)});
  if (due(config_.metrics.lbfgs_every) && !config_.metrics.epsilons.empty()) rows.push_back(ascent_row(pass));
  if (watch_histograms) rows.push_back({kHistogramsGroup, step_, histograms_->values()});
  if (watch_tensors) rows.push_back({kTensorsGroup, step_, tensor_stats_->values()});
  rows.push_back({kMetricsGroup, step_, to_values(record)});
  std::sort(rows.begin(), rows.end(), [](const SeriesRow& a, const SeriesRow& b) { return a.group < b.group; });
  scales_.end_step();
  ++step_;
  return rows;
}

SeriesRow Trainer::evaluate() {
  const at::NoGradGuard no_gradients;
  const ForwardContext context{static_cast<std::uint64_t>(*config_.precision.seed), static_cast<std::uint32_t>(step_),
                               true, nullptr, &scales_};
  double sum = 0;
  const std::int64_t batches = tokens_.validation_batches();
  for (std::int64_t i = 0; i < batches; ++i)
    sum += forward_pass(*model_, config_, tokens_.validation_batch(i), context).loss.item<float>();
  const double loss = batches > 0 ? sum / static_cast<double>(batches) : kNotMeasured;
  return {kEvalGroup, step_, {loss, loss - tokens_.entropy_floor()}};
}

std::vector<std::pair<std::string, FloatSpan>> Trainer::state_spans() {
  std::vector<std::pair<std::string, FloatSpan>> spans;
  for (const auto& parameter : model_->parameters())
    spans.emplace_back("p." + parameter.name, span_of(parameter.value));
  for (auto& state : optimizer_->state()) spans.push_back(std::move(state));
  return spans;
}

Checkpoint Trainer::checkpoint(const std::string& identity) {
  release_tensor_memory();  // weights and state are copied
  Checkpoint checkpoint;
  checkpoint.identity = identity;
  checkpoint.step = step_;
  checkpoint.numbers["optimizer.updates"] = static_cast<double>(optimizer_->updates());
  checkpoint.numbers["loss_scale"] = scaler_.state().scale;
  checkpoint.numbers["loss_scale.good_steps"] = static_cast<double>(scaler_.state().good_steps);
  for (const auto& [name, span] : state_spans())
    checkpoint.arrays.push_back({name, {span.size}, std::vector<float>(span.data, span.data + span.size)});
  for (std::size_t i = 0; i < model_->parameters().size(); ++i)
    checkpoint.arrays[i].shape = model_->parameters()[i].value.sizes().vec();
  for (auto& [name, values] : scales_.save())
    checkpoint.arrays.push_back({name, {static_cast<std::int64_t>(values.size())}, std::move(values)});
  return checkpoint;
}

void Trainer::restore(const Checkpoint& checkpoint, const std::vector<SeriesRow>& rows) {
  const auto spans = state_spans();
  // Delayed scales come last, as many as there are.
  const auto is_scale = [](const NamedArray& array) { return ScaleStates::is_saved_name(array.name); };
  const auto first_scale = std::find_if(checkpoint.arrays.begin(), checkpoint.arrays.end(), is_scale);
  if (static_cast<std::ptrdiff_t>(spans.size()) != first_scale - checkpoint.arrays.begin())
    throw DataError("checkpoint: another number of arrays than the run has");
  for (auto array = first_scale; array != checkpoint.arrays.end(); ++array) scales_.restore(array->name, array->values);
  for (std::size_t i = 0; i < spans.size(); ++i) {
    const NamedArray& array = checkpoint.arrays[i];
    if (array.name != spans[i].first || static_cast<std::int64_t>(array.values.size()) != spans[i].second.size)
      throw DataError("checkpoint: array " + array.name + " where the run has " + spans[i].first);
    std::copy(array.values.begin(), array.values.end(), spans[i].second.data);
  }
  step_ = checkpoint.step;
  optimizer_->set_updates(static_cast<std::int64_t>(checkpoint.numbers.at("optimizer.updates")));
  scaler_.restore(
      {checkpoint.numbers.at("loss_scale"), static_cast<std::int64_t>(checkpoint.numbers.at("loss_scale.good_steps"))});
  update_probes_.restore(rows);
  detector_ = DivergenceDetector(config_.divergence);
  for (const SeriesRow& row : rows) {
    if (row.group != kMetricsGroup) continue;
    const StepRecord seen = step_record_of(row.values);
    detector_.observe(row.step, seen.train_loss, seen.grad_norm);
  }
}

}  // namespace precipice
