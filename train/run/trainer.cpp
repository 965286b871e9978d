// SPDX-License-Identifier: Apache-2.0
#include "train/run/trainer.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "precision/base/check.h"
#include "precision/gemm/gemm.h"
#include "precision/quantize/device.h"
#include "precision/quantize/noted_amax.h"
#include "train/config/name_patterns.h"
#include "train/estimates/tensor_memory.h"
#include "train/probes/all_probes.h"
#include "train/run/device_array.h"
#include "train/run/model_weights.h"

namespace precipice {
namespace {

FloatSpan span_of(const at::Tensor& tensor) {
  return {tensor.mutable_data_ptr<float>(), tensor.numel()};
}

std::vector<float> values_of(FloatSpan span, at::Device device) {
  if (device.is_cpu()) return {span.data, span.data + span.size};
  std::vector<float> values(static_cast<std::size_t>(span.size));
  if (span.size > 0) array_of(values.data(), span.size, at::kCPU).copy_(array_of(span.data, span.size, device));
  return values;
}

void set_values(FloatSpan span, at::Device device, const std::vector<float>& values) {
  if (device.is_cpu())
    std::copy(values.begin(), values.end(), span.data);
  else if (span.size > 0)
    array_of(span.data, span.size, device).copy_(array_of(values.data(), span.size, at::kCPU));
}

std::unique_ptr<Model> on_device(std::unique_ptr<Model> model, at::Device device) {
  if (!device.is_cpu()) model->to(device);
  return model;
}

// Matrices and embeddings decay, vectors do not (nanoGPT's configure_optimizers).
bool decays(const at::Tensor& value) {
  return value.dim() >= 2;
}

// Series of losses, where what a model learns are vectors.
SeriesGroup named_for(const ModelConfig& model, SeriesGroup group) {
  if (model.kind->predicts_tokens()) return group;
  for (Series& series : group.series) {
    if (series.units != "nats" || series.name == "log_z") continue;
    series.units = "1";
    if (series.name == "train_loss") series.long_name = "training loss: mean squared error of the batch";
    if (series.name == "validation_loss") series.long_name = "mean squared error on the validation batches";
    if (series.name == "excess_loss") series.long_name = "NaN: a teacher has no entropy rate";
  }
  return group;
}

// A pattern that chooses nothing is a mistake.
void require_match(const char* key, const std::string& patterns, const Model& model) {
  const std::vector<NamedParameter>& parameters = model.parameters();
  const auto is_chosen = [&](const NamedParameter& parameter) { return matches_any(patterns, parameter.name); };
  if (patterns.empty() || std::any_of(parameters.begin(), parameters.end(), is_chosen)) return;
  throw ConfigError({"", 0, key, patterns}, join_parts("no parameter of this model has such a name; the first is ",
                                                       parameters.front().name, ", the last ", parameters.back().name));
}

}  // namespace

Trainer::Trainer(const ResolvedRun& run, const TokenSource& tokens, const TrainingDevice& device)
    : config_(run.config),
      device_(device.device),
      tokens_(tokens),
      model_(on_device(make_model(run, tokens.vocabulary()), device_)),
      scaler_(config_.loss_scale),
      detector_(config_.divergence),
      probes_(all_probes(config_, places_of(*model_)), kFirstProbeGroup) {
  std::vector<Parameter> parameters;
  std::vector<at::Tensor> values;
  for (const auto& parameter : model_->parameters()) values.push_back(parameter.value);
  gradients_ = std::make_unique<GradientBuffers>(values);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::string& name = model_->parameters()[i].name;
    parameters.push_back({name, span_of(values[i]), span_of(gradients_->buffers()[i]), decays(values[i]),
                          matches_any(config_.optimizer.stored_parameters, name),
                          matches_any(config_.optimizer.frozen, name)});
  }
  graph_ = std::make_unique<StepGraph>(machine_of(values.front()).graphs, device.graphs);
  require_match("optimizer.stored_parameters", config_.optimizer.stored_parameters, *model_);
  require_match("optimizer.frozen", config_.optimizer.frozen, *model_);
  optimizer_ = std::make_unique<Optimizer>(config_.optimizer, run.stored, std::move(parameters),
                                           static_cast<std::uint64_t>(*config_.precision.seed), *device.optimizer);
}

std::vector<SeriesGroup> Trainer::groups() const {
  std::vector<SeriesGroup> groups{step_record_group(), eval_group()};
  for (SeriesGroup& group : probes_.groups()) groups.push_back(std::move(group));
  for (SeriesGroup& group : groups) group = named_for(config_.model, std::move(group));
  return groups;
}

ForwardPass Trainer::forward_and_backward(const BatchTensors& batch, StepObservers& observers, StepLedger* ledger,
                                          const StepInput* input) {
  ForwardContext context{static_cast<std::uint64_t>(*config_.precision.seed), static_cast<std::uint32_t>(step_)};
  context.observer = observers.operands();
  context.attention = observers.attention();
  context.scales = &scales_;
  context.ledger = ledger;
  context.bf16_logits = ledger != nullptr && !probes_.is_any_due();
  if (input != nullptr) context.step_at = &input->numbers()->step;
  const GradientBuffers::Recording recording(*gradients_);
  ForwardPass pass = forward_pass(*model_, config_, batch, context, observers.epsilons());
  gradients_->backward(
      pass.objective, input != nullptr ? input->loss_scale() : at::full({}, scaler_.scale(), pass.objective.options()));
  return pass;
}

std::optional<Trainer::Gradient> Trainer::gradient_by_ledger(const Batch& batch, StepObservers& observers) {
  StepLedger ledger;
  Gradient result{forward_and_backward(batch_tensors(batch, config_.model, *model_), observers, &ledger), {}};
  if (optimizer_->can_unscale_again()) {
    const double* const norm = optimizer_->start_unscale(scaler_.scale());
    const at::Tensor there = array_of(norm, 1, device_);
    ledger.add(there, [&result](const void* bytes) { result.stats = Optimizer::grad_stats(number_at<double>(bytes)); });
    if (!ledger.settle()) return std::nullopt;
  } else {
    if (!ledger.settle()) return std::nullopt;
    result.stats = optimizer_->unscale(scaler_.scale());
  }
  take_late_values(result.pass, config_);
  return result;
}

// Who looks on reads numbers as they come. Where the ledger does not hold, nothing has changed but the gradients, and the
// step is done again with nothing taken for granted.
Trainer::Gradient Trainer::gradient_of(const Batch& batch, StepObservers& observers) {
  const bool is_watched =
      observers.operands() != nullptr || observers.attention() != nullptr || !observers.epsilons().empty();
  if (!device_.is_cpu() && !is_watched)
    if (std::optional<Gradient> result = gradient_by_ledger(batch, observers)) return *std::move(result);
  ForwardPass pass = forward_and_backward(batch_tensors(batch, config_.model, *model_), observers, nullptr);
  return {std::move(pass), optimizer_->unscale(scaler_.scale())};
}

Trainer::Update Trainer::update_watched(const Batch& batch, StepObservers& observers, double schedule) {
  const auto [pass, gradients] = gradient_of(batch, observers);
  probes_.after_backward(pass);
  const ProbedStep probed{
      *model_,        config_, batch, scales_, step_, pass.objective.item<float>(), config_.optimizer.lr * schedule,
      scaler_.scale()};
  probes_.before_update(probed, gradients_->buffers());
  Update update{pass.loss.item<float>(), pass.statistics, {gradients, false, {}}};
  update.made.is_applied = scaler_.update(gradients.finite) == LossScaler::Decision::Apply;
  if (update.made.is_applied) update.made.update = optimizer_->step(schedule, gradients.norm);
  probes_.after_update(probed, {*optimizer_, update.made.is_applied});
  return update;
}

Trainer::QueuedUpdate Trainer::queue_update(double schedule) {
  StepLedger ledger;
  StepObservers nobody({}, nullptr);
  ForwardPass pass = forward_and_backward(input_.batch(), nobody, &ledger, &input_);
  optimizer_->start_unscale(scaler_.scale(), {input_.numbers(), scaler_.skips_infinite()});
  const FloatSpan numbers =
      optimizer_->queue_step(schedule, {scaler_.skips_infinite(), ledger.look(), input_.numbers()});
  ledger.add(array_of(numbers.data, numbers.size, device_),
             [this](const void* bytes) { made_ = optimizer_->finish_step(bytes); });
  QueuedUpdate queued;
  queued.pass.late = pass.late;  // the rest of it goes
  queued.found = ledger.gather();
  return queued;
}

// Numbers of the host go into a captured step by StepInput alone.
const char* Trainer::obstacle_to_capture() const {
  if (!scales_.is_empty()) return "delayed scales are numbers that the host knows from the steps before";
  return nullptr;
}

bool Trainer::capture_update(double schedule) {
  const std::int64_t updates = optimizer_->updates();
  const bool is_captured = graph_->capture([&] { captured_ = queue_update(schedule); });
  optimizer_->set_updates(updates);  // nothing was done
  return is_captured;
}

std::optional<Trainer::Update> Trainer::update_at_once(const Batch& batch, double schedule) {
  const auto begin = std::chrono::steady_clock::now();
  StepNumbers known{.step = static_cast<std::uint32_t>(step_)};
  optimizer_->write_numbers(schedule, scaler_.scale(), known);
  input_.upload(batch, config_.model, *model_, known);
  StepGraph::Way way = graph_->next(&model_->policy_at(step_), obstacle_to_capture());
  if (way == StepGraph::Way::Capture) way = capture_update(schedule) ? StepGraph::Way::Replay : StepGraph::Way::Eager;
  QueuedUpdate queued;
  if (way == StepGraph::Way::Replay) {
    graph_->replay();
    optimizer_->count_step();
    queued = captured_;
  } else {
    queued = queue_update(schedule);
  }
  if (!queued.found.tell()) {
    optimizer_->take_back_step();
    graph_->failed();
    return std::nullopt;
  }
  graph_->held();
  if (way == StepGraph::Way::Eager) graph_->took(std::chrono::steady_clock::now() - begin);
  const bool is_applied = scaler_.update(made_.gradients.finite) == LossScaler::Decision::Apply;
  PRECIPICE_CHECK(is_applied == made_.is_applied, "the device and the loss scaler decide otherwise");
  take_late_values(queued.pass, config_);
  return Update{queued.pass.loss.item<float>(), queued.pass.statistics, made_};
}

StepRecord Trainer::record_of(const Update& update, double loss_scale, double schedule) const {
  StepRecord record;
  record.train_loss = update.train_loss;
  record.loss_scale = loss_scale;
  record.grad_norm = update.made.gradients.norm;
  record.learning_rate = config_.optimizer.lr * schedule;
  record.max_logit = update.statistics.max_logit;
  record.log_z = update.statistics.log_z;
  if (update.made.is_applied) {
    record.param_norm = update.made.update.param_norm;
    record.update_ratio = update.made.update.update_ratio;
  }
  record.skipped = update.made.is_applied ? 0 : 1;
  return record;
}

void Trainer::detect(StepRecord& record) {
  detector_.observe(step_, record.train_loss, record.grad_norm);
  record.loss_mean = detector_.loss_mean();
  record.loss_spikes = static_cast<double>(detector_.loss_spikes());
  record.grad_spikes = static_cast<double>(detector_.grad_spikes());
}

void Trainer::forget_amaxes() const {
  if (device_.is_cpu()) return;
  std::vector<at::Tensor> weights;
  for (const NamedParameter& parameter : model_->parameters()) weights.push_back(parameter.value);
  forget_amaxes_of(weights);
}

std::vector<SeriesRow> Trainer::step() {
  std::optional<SeriesRow> validation;
  if (is_due(config_.train.eval_every, step_)) validation = evaluate();

  const Batch batch = tokens_.training_batch(step_);
  StepObservers observers(probes_.before_forward(step_), watcher_);
  const double schedule = schedule_factor(config_.schedule, step_, config_.train.steps);
  const double loss_scale = scaler_.scale();
  std::optional<Update> update;
  if (!device_.is_cpu() && !probes_.is_any_due() && watcher_ == nullptr && optimizer_->can_unscale_again())
    update = update_at_once(batch, schedule);
  if (!update) update = update_watched(batch, observers, schedule);
  StepRecord record = record_of(*update, loss_scale, schedule);
  detect(record);

  std::vector<SeriesRow> rows{{kMetricsGroup, step_, to_values(record)}};
  if (validation) rows.push_back(std::move(*validation));
  probes_.append_rows(step_, rows);
  scales_.end_step();
  forget_amaxes();
  ++step_;
  return rows;
}

// On a device the losses of all batches come to the host at once, if they hold what is taken for granted.
std::optional<double> Trainer::sum_of_validation_losses(StepLedger* ledger) {
  ForwardContext context{static_cast<std::uint64_t>(*config_.precision.seed), static_cast<std::uint32_t>(step_), true,
                         nullptr, &scales_};
  context.ledger = ledger;
  context.bf16_logits = ledger != nullptr;
  double sum = 0;
  std::vector<LateLossPlace> late;
  for (std::int64_t i = 0; i < tokens_.validation_batches(); ++i) {
    const ForwardPass pass = forward_pass(*model_, config_, tokens_.validation_batch(i), context);
    if (pass.late)
      late.push_back(pass.late);
    else
      sum += pass.loss.item<float>();
  }
  if (ledger != nullptr && !ledger->settle()) return std::nullopt;
  for (const LateLossPlace& loss : late) sum += static_cast<float>(loss->mean);
  return sum;
}

SeriesRow Trainer::evaluate() {
  const at::NoGradGuard no_gradients;
  StepLedger ledger;
  std::optional<double> sum;
  if (!device_.is_cpu()) sum = sum_of_validation_losses(&ledger);
  if (!sum) sum = sum_of_validation_losses(nullptr);
  forget_amaxes();
  const std::int64_t batches = tokens_.validation_batches();
  const double loss = batches > 0 ? *sum / static_cast<double>(batches) : kNotMeasured;
  SeriesRow row{kEvalGroup, step_, std::vector<double>(eval_group().row_width())};
  row.values[kValidationLoss] = loss;
  row.values[kExcessLoss] = loss - tokens_.entropy_floor();
  return row;
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
    checkpoint.arrays.push_back({name, {span.size}, values_of(span, device_)});
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
    set_values(spans[i].second, device_, array.values);
  }
  graph_->drop();  // of another step's loss scale
  step_ = checkpoint.step;
  optimizer_->set_updates(static_cast<std::int64_t>(checkpoint.numbers.at("optimizer.updates")));
  scaler_.restore(
      {checkpoint.numbers.at("loss_scale"), static_cast<std::int64_t>(checkpoint.numbers.at("loss_scale.good_steps"))});
  probes_.restore(rows);
  detector_ = DivergenceDetector(config_.divergence);
  for (const SeriesRow& row : rows) {
    if (row.group != kMetricsGroup) continue;
    const StepRecord seen = step_record_of(row.values);
    detector_.observe(row.step, seen.train_loss, seen.grad_norm);
  }
}

}  // namespace precipice
