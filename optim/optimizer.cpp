// SPDX-License-Identifier: Apache-2.0
#include "optim/optimizer.h"

#include <cmath>
#include <limits>

#include "precision/check.h"
#include "precision/spellings.h"

namespace precipice {
namespace {

// A NaN norm stays NaN, as in torch: a comparison with it is false.
double clip_coefficient(double clip_norm, double grad_norm) {
  if (clip_norm == 0) return 1.0;
  const double coefficient = clip_norm / (grad_norm + 1e-6);
  return coefficient > 1.0 ? 1.0 : coefficient;
}

using Make = std::unique_ptr<Optimizer> (*)(const OptimizerConfig&, std::vector<Parameter>);
constexpr Spellings<Make, 2> kKinds{{{"adamw", make_adamw}, {"sgd", make_sgd}}};
constexpr Spellings<bool, 2> kDecays{{{"coupled", true}, {"independent", false}}};

}  // namespace

Optimizer::Optimizer(const OptimizerConfig& config, std::vector<Parameter> parameters)
    : config_(config),
      parameters_(std::move(parameters)),
      coupled_decay_(parse_spelling("optimizer.decay", config.decay, kDecays)) {
  for (const Parameter& p : parameters_) {
    PRECIPICE_CHECK(p.value.size == p.grad.size, p.name, " has ", p.value.size, " values, ", p.grad.size, " gradients");
  }
}

GradStats Optimizer::unscale(double loss_scale) {
  TensorList grads;
  for (const Parameter& p : parameters_) grads.push_back(p.grad);
  std::int32_t nonfinite = 0;
  const double norm =
      multi_tensor_unscale_l2norm(kChunkSize, &nonfinite, {grads, grads}, static_cast<float>(1.0 / loss_scale));
  return {nonfinite == 0, norm};
}

UpdateStats Optimizer::step(double factor, double grad_norm) {
  ++updates_;
  const double lr = factor * config_.lr;
  const double grad_scale = clip_coefficient(config_.clip_norm, grad_norm);
  const double weight_decay = coupled_decay_ ? config_.weight_decay : 0.0;
  const double independent_decay = coupled_decay_ ? 0.0 : factor * config_.weight_decay;
  const UpdateNorms decayed = apply(true, lr, weight_decay, independent_decay, grad_scale);
  const UpdateNorms undecayed = apply(false, lr, 0.0, 0.0, grad_scale);

  const double weight = decayed.weight + undecayed.weight;
  const double update = decayed.update + undecayed.update;
  const double ratio = weight == 0 ? std::numeric_limits<double>::quiet_NaN() : std::sqrt(update / weight);
  return {std::sqrt(weight), ratio};
}

Optimizer::Buffers Optimizer::zeros() const {
  Buffers buffers;
  for (const Parameter& p : parameters_) buffers.emplace_back(static_cast<std::size_t>(p.value.size), 0.0f);
  return buffers;
}

TensorLists Optimizer::group_lists(bool decayed_group, const std::vector<Buffers*>& buffers) const {
  TensorLists lists(2 + buffers.size());
  for (std::size_t t = 0; t < parameters_.size(); ++t) {
    const Parameter& p = parameters_[t];
    if (p.decay != decayed_group) continue;
    lists[0].push_back(p.grad);
    lists[1].push_back(p.value);
    for (std::size_t b = 0; b < buffers.size(); ++b) lists[2 + b].push_back({(*buffers[b])[t].data(), p.value.size});
  }
  return lists;
}

void Optimizer::append_state(std::vector<std::pair<std::string, FloatSpan>>& state, const std::string& prefix,
                             Buffers& buffers) const {
  for (std::size_t t = 0; t < parameters_.size(); ++t) {
    state.emplace_back(prefix + parameters_[t].name, FloatSpan{buffers[t].data(), parameters_[t].value.size});
  }
}

std::unique_ptr<Optimizer> make_optimizer(const OptimizerConfig& config, std::vector<Parameter> parameters) {
  return parse_spelling("optimizer.kind", config.kind, kKinds)(config, std::move(parameters));
}

}  // namespace precipice
