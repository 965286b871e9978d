// SPDX-License-Identifier: Apache-2.0
#include "train/probes/gradient_error_probe.h"

#include <fnmatch.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "metrics/log/step_record.h"
#include "metrics/tensors/gradient_error.h"
#include "train/model/architectures.h"
#include "train/probes/activation_probe.h"

namespace precipice {
namespace {

std::span<const float> floats(const at::Tensor& tensor) {
  return {tensor.const_data_ptr<float>(), static_cast<std::size_t>(tensor.numel())};
}

// The dense matrix of the singular values has the smaller of the two sides.
double spectral_norm(const at::Tensor& matrix) {
  return block_spectral_norms(matrix.size(0) > matrix.size(1) ? matrix.t().contiguous() : matrix, 1)[0];
}

}  // namespace

bool matches_any(const std::string& patterns, const std::string& name) {
  constexpr const char* kSeparators = " ,";
  for (std::size_t begin = patterns.find_first_not_of(kSeparators); begin != std::string::npos;) {
    const std::size_t end = std::min(patterns.find_first_of(kSeparators, begin), patterns.size());
    if (::fnmatch(patterns.substr(begin, end - begin).c_str(), name.c_str(), 0) == 0) return true;
    begin = patterns.find_first_not_of(kSeparators, end);
  }
  return false;
}

GradientErrorProbe::GradientErrorProbe(const RunConfig& config, const Model& model, std::uint16_t first_group)
    : every_(config.metrics.gradient_error_every), first_group_(first_group) {
  for (const NamedParameter& parameter : model.parameters()) {
    names_.push_back(parameter.name);
    is_chosen_.push_back(parameter.value.dim() == 2 &&
                         matches_any(config.metrics.gradient_error_matrices, parameter.name));
  }
}

GradientErrorProbe::~GradientErrorProbe() = default;

std::vector<SeriesGroup> GradientErrorProbe::groups() const {
  const Series zeta{"zeta_norm", "1", "squared norm of the gradient's error over that of the fp32 gradient"};
  const Series cosine{"gradient_cosine", "1", "cosine of the gradient and the fp32 gradient"};
  return {{"gradient_error", {zeta, cosine}, {}},
          {"parameter_errors",
           {zeta,
            cosine,
            {"error_norm", "1", "norm of the gradient's error"},
            {"error_spectral_norm", "1", "largest singular value of the gradient's error"}},
           names_}};
}

TensorVector GradientErrorProbe::reference_gradient(const ProbedStep& step) {
  if (!exact_) {
    const PrecisionPolicy& policy = step.model.policy();
    exact_ = make_model(step.config.model, step.config.init, step.config.data.vocabulary,
                        PrecisionPolicy(policy.layers(), policy.block_sites()));
  }
  set_weights(*exact_, copy_of_weights(step.model));
  const ScaleStates none;
  ProbedStep reference{*exact_, step.config, step.batch, none};
  reference.step = step.step;
  return gradient_at(reference, step.batch);
}

void GradientErrorProbe::before_update(const ProbedStep& step, const TensorVector& gradients,
                                       std::vector<SeriesRow>& rows) {
  if (!is_due(every_, step.step)) return;
  const TensorVector exact = reference_gradient(step);
  GradientError all;
  const std::size_t count = names_.size();
  std::vector<double> values(4 * count, kNotMeasured);
  for (std::size_t i = 0; i < count; ++i) {
    const GradientError one = gradient_error(floats(gradients[i]), floats(exact[i]));
    all += one;
    values[i] = one.zeta_norm();
    values[count + i] = one.cosine();
    values[2 * count + i] = std::sqrt(one.error);
    if (is_chosen_[i]) values[3 * count + i] = spectral_norm(gradients[i].sub(exact[i]));
  }
  rows.push_back({first_group_, step.step, {all.zeta_norm(), all.cosine()}});
  rows.push_back({static_cast<std::uint16_t>(first_group_ + 1), step.step, std::move(values)});
}

}  // namespace precipice
