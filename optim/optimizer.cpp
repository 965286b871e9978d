// SPDX-License-Identifier: Apache-2.0
#include "optim/optimizer.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "optim/optimizer_kinds.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

std::vector<FloatSpan> spans_of(std::vector<MachineArray>& buffers) {
  std::vector<FloatSpan> spans;
  for (MachineArray& buffer : buffers) spans.push_back(buffer.span());
  return spans;
}

float unscaling(double loss_scale) {
  return static_cast<float>(1.0 / loss_scale);
}

}  // namespace

Optimizer::Optimizer(const OptimizerConfig& config, const StoredFormats& formats, std::vector<Parameter> parameters,
                     std::uint64_t seed, const OptimizerMachine& machine)
    : config_(config),
      kind_(&find_optimizer(config.kind)),
      machine_(&machine),
      parameters_(std::move(parameters)),
      formats_(formats),
      weights_(formats_.weights, StoredOperand::Weights, spans(&Parameter::value), seed, machine),
      gradients_(formats_.gradients, StoredOperand::Gradients, spans(&Parameter::grad), seed, machine) {
  for (const Parameter& p : parameters_) {
    PRECIPICE_CHECK(p.value.size == p.grad.size, p.name, " has ", p.value.size, " values, ", p.grad.size, " gradients");
  }
  for (std::size_t i = 0; i < kind_->moments.size(); ++i) {
    Buffers values = zeros();
    std::vector<FloatSpan> memory = spans_of(values);
    const StoredFormat& format = i == 0 ? formats_.moment1 : formats_.moment2;
    const StoredOperand operand = i == 0 ? StoredOperand::Moment1 : StoredOperand::Moment2;
    plain_ = plain_ && format.is_plain();
    moments_.push_back(
        {kind_->moments[i] + ".", std::move(values), StoredArrays(format, operand, std::move(memory), seed, machine)});
  }
  plain_ = plain_ && formats_.weights.is_plain();
  const std::size_t walks = std::max(parameters_.size(), std::size_t{2});
  numbers_ = MachineArray(
      machine, static_cast<std::int64_t>((kFirstWalk + walks * kDoublesOfWalk) * (sizeof(double) / sizeof(float))));
  if (formats_.weights.kahan) compensation_ = zeros();
  for (TensorLists& lists : lists_) lists.resize(2 + kind_->moments.size() + (formats_.weights.kahan ? 1 : 0));
  for (std::size_t t = 0; t < parameters_.size(); ++t) {
    if (!parameters_[t].frozen) append_lists(lists_[parameters_[t].decay], t, formats_.weights.kahan);
    if (parameters_[t].stored) weights_.store_nearest(t);
  }
}

GradStats Optimizer::unscale(double loss_scale) {
  double norm = 0;
  machine_->read(start_unscale(loss_scale), 1, &norm);
  return grad_stats(norm);
}

GradStats Optimizer::grad_stats(double norm) {
  // A sum of squares in double is finite exactly where all gradients are.
  return {std::isfinite(norm), norm};
}

const double* Optimizer::start_unscale(double loss_scale, const NumbersThere& there) {
  TensorList grads;
  for (const Parameter& p : parameters_) grads.push_back(p.grad);
  const StepNumbers* const numbers = there.numbers;
  for (std::size_t t = 0; t < parameters_.size(); ++t)
    if (parameters_[t].stored)
      gradients_.store(t, updates_ + 1, nullptr, numbers != nullptr ? &numbers->update : nullptr);
  const float factor = unscaling(loss_scale);
  if (numbers != nullptr && there.loss_scale_varies)
    machine_->scale_l2norm(grads, Factor(1.0f, &numbers->unscale), number(0));
  else if (factor == 1.0f)
    machine_->l2norm(grads, number(0));  // by one nothing changes
  else
    machine_->scale_l2norm(grads, factor, number(0));
  return number(0);
}

UpdateStats Optimizer::step(double factor, double grad_norm) {
  queue_update(factor, clip_coefficient(config_.clip_norm, grad_norm), {});
  std::vector<double> walks(walks_.size() * kDoublesOfWalk);
  machine_->read(number(kFirstWalk), static_cast<std::int64_t>(walks.size()), walks.data());
  return stats_of(walks.data());
}

FloatSpan Optimizer::queue_step(double factor, const UpdateTerms& terms) {
  auto* const gate = reinterpret_cast<UpdateGate*>(number(kGate));
  machine_->decide({number(0), terms.failed, config_.clip_norm, terms.skips_infinite}, gate);
  queue_update(factor, 1.0, {gate, terms.there});
  const auto doubles = static_cast<std::int64_t>(kFirstWalk + walks_.size() * kDoublesOfWalk);
  return {numbers_.span().data, doubles * static_cast<std::int64_t>(sizeof(double) / sizeof(float))};
}

Optimizer::QueuedStep Optimizer::finish_step(const void* numbers) {
  std::vector<double> found(kFirstWalk + walks_.size() * kDoublesOfWalk);
  std::memcpy(found.data(), numbers, found.size() * sizeof(double));
  UpdateGate gate;
  std::memcpy(&gate, found.data() + kGate, sizeof(gate));
  QueuedStep step{grad_stats(found[0]), gate.is_open != 0, {}};
  if (step.is_applied)
    step.update = stats_of(found.data() + kFirstWalk);
  else
    take_back_step();
  return step;
}

UpdateArgs Optimizer::update_args(bool decayed, double factor, double grad_scale, std::int64_t step) const {
  const bool coupled = config_.decay == DecayCoupling::Coupled;
  UpdateArgs update{.lr = factor * config_.lr, .grad_scale = grad_scale, .step = step};
  if (decayed)
    (coupled ? update.weight_decay : update.independent_decay) = (coupled ? 1.0 : factor) * config_.weight_decay;
  if (formats_.weights.kahan) update.kahan = formats_.weights.format;
  return update;
}

void Optimizer::queue_update(double factor, double grad_scale, const UpdatePlaces& there) {
  ++updates_;
  walks_.clear();
  for (const bool decayed : {true, false})
    update_group(decayed, update_args(decayed, factor, grad_scale, updates_), there);
}

void Optimizer::write_numbers(double factor, double loss_scale, StepNumbers& numbers) const {
  numbers.update = static_cast<std::uint32_t>(updates_ + 1);
  numbers.loss_scale = static_cast<float>(loss_scale);
  numbers.unscale = unscaling(loss_scale);
  for (const bool decayed : {true, false}) {
    UpdateArgs update = update_args(decayed, factor, 1.0, updates_ + 1);
    if (update.kahan) machine_->write_update(*kind_, config_, update, numbers.updates[update_place(decayed, true)]);
    update.kahan.reset();
    machine_->write_update(*kind_, config_, update, numbers.updates[update_place(decayed, false)]);
  }
}

UpdateStats Optimizer::stats_of(const double* walks) const {
  UpdateNorms groups[2];  // undecayed, decayed
  for (std::size_t i = 0; i < walks_.size(); ++i) {
    Walk found;
    std::memcpy(static_cast<void*>(&found), walks + i * kDoublesOfWalk, sizeof(found));
    UpdateNorms& group = groups[walks_[i].decayed];
    group.update += walks_[i].rounded ? found.distance * found.distance : found.norms.update;
    group.weight += found.norms.weight;
  }
  const double weight = groups[1].weight + groups[0].weight;
  const double change = groups[1].update + groups[0].update;
  const double ratio = weight == 0 ? std::numeric_limits<double>::quiet_NaN() : std::sqrt(change / weight);
  return {std::sqrt(weight), ratio};
}

Optimizer::Walk* Optimizer::next_walk(bool decayed, bool rounded) {
  Walk* const next = reinterpret_cast<Walk*>(number(kFirstWalk)) + walks_.size();
  walks_.push_back({decayed, rounded});
  return next;
}

void Optimizer::update_group(bool decayed, const UpdateArgs& update, const UpdatePlaces& there) {
  if (plain_) {
    UpdateArgs own = update;
    if (there.numbers != nullptr) own.there = there.numbers->updates[update_place(decayed, own.kahan.has_value())];
    machine_->update(*kind_, config_, own, lists_[decayed], there.gate, &next_walk(decayed, false)->norms);
    return;
  }
  for (std::size_t t = 0; t < parameters_.size(); ++t)
    if (parameters_[t].decay == decayed && !parameters_[t].frozen) update_and_store(t, update, there);
}

void Optimizer::update_and_store(std::size_t t, const UpdateArgs& update, const UpdatePlaces& there) {
  const FloatSpan value = parameters_[t].value;
  UpdateArgs own = update;
  if (!parameters_[t].stored) own.kahan.reset();
  const std::uint32_t* update_at = nullptr;
  if (there.numbers != nullptr) {
    own.there = there.numbers->updates[update_place(parameters_[t].decay, own.kahan.has_value())];
    update_at = &there.numbers->update;
  }
  const bool rounded = parameters_[t].stored && !formats_.weights.is_plain() && !own.kahan;  // Kahan rounds inside
  FloatSpan before;
  if (rounded) {
    if (before_.span().size < value.size) before_ = MachineArray(*machine_, value.size);
    before = {before_.span().data, value.size};
    machine_->copy(value, before);
  }
  TensorLists lists;
  append_lists(lists, t, own.kahan.has_value());
  Walk* const walk = next_walk(parameters_[t].decay, rounded);
  machine_->update(*kind_, config_, own, lists, there.gate, &walk->norms);
  if (parameters_[t].stored)
    for (Moment& moment : moments_) moment.stored.store(t, updates_, there.gate, update_at);
  if (!rounded) return;

  weights_.store(t, updates_, there.gate, update_at);
  machine_->distance({value}, {before}, &walk->distance);
}

std::vector<FloatSpan> Optimizer::spans(FloatSpan Parameter::*member) const {
  std::vector<FloatSpan> spans;
  for (const Parameter& p : parameters_) spans.push_back(p.*member);
  return spans;
}

Optimizer::Buffers Optimizer::zeros() const {
  Buffers buffers;
  for (const Parameter& p : parameters_) buffers.emplace_back(*machine_, p.value.size);
  return buffers;
}

void Optimizer::append_lists(TensorLists& lists, std::size_t t, bool compensated) {
  TensorList tensors = {parameters_[t].grad, parameters_[t].value};
  for (Moment& moment : moments_) tensors.push_back(moment.values[t].span());
  if (compensated) tensors.push_back(compensation_[t].span());
  lists.resize(tensors.size());
  for (std::size_t d = 0; d < tensors.size(); ++d) lists[d].push_back(tensors[d]);
}

std::vector<std::pair<std::string, FloatSpan>> Optimizer::state() {
  std::vector<std::pair<std::string, FloatSpan>> state;
  const auto append = [&](const std::string& prefix, const std::vector<FloatSpan>& spans) {
    for (std::size_t t = 0; t < spans.size(); ++t) state.emplace_back(prefix + parameters_[t].name, spans[t]);
  };
  const auto append_scales = [&](const std::string& prefix, StoredArrays& stored) {
    if (stored.format().rule != StoredScaling::None) append("scale." + prefix, stored.scales());
  };
  for (Moment& moment : moments_) append(moment.prefix, spans_of(moment.values));
  append("k.", spans_of(compensation_));
  append_scales("p.", weights_);
  for (Moment& moment : moments_) append_scales(moment.prefix, moment.stored);
  append_scales("g.", gradients_);
  return state;
}

std::optional<Preconditioning> Optimizer::preconditioning() const {
  return kind_->preconditioning(config_, updates_);
}

std::vector<FloatSpan> Optimizer::moments(std::size_t index) {
  return spans_of(moments_.at(index).values);
}

std::unique_ptr<Optimizer> make_optimizer(const OptimizerConfig& config, std::vector<Parameter> parameters,
                                          std::uint64_t seed) {
  return std::make_unique<Optimizer>(config, parse_stored_formats(config.state), std::move(parameters), seed);
}

}  // namespace precipice
