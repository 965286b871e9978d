// SPDX-License-Identifier: Apache-2.0
#include "train/probes/edge_of_stability.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/ones_like.h>

#include <cmath>
#include <optional>
#include <vector>

#include "metrics/log/step_record.h"
#include "precision/rounding/random_streams.h"

namespace precipice {
namespace {

// Steps of hessian-eigenthings for fp32 and for coarse formats: long enough to leave a grid cell.
constexpr double kExactStep = 1e-3, kRoundedStep = 0.1;

bool rounds(const PrecisionPolicy& policy) {
  const PrecisionPolicy exact = policy.exact();
  for (std::size_t site = 0; site < policy.num_sites(); ++site)
    if (!(policy.at(site) == exact.at(site))) return true;
  return !(policy.elements() == exact.elements());
}

TensorVector random_signs(const Model& model, std::uint64_t seed, std::int64_t step) {
  TensorVector signs;
  std::uint32_t site = 0;
  for (const NamedParameter& parameter : model.parameters()) {
    const at::Tensor values = at::empty(parameter.value.sizes(), at::TensorOptions(at::kFloat));
    const RandomKey key = random_key(kStartVectorStream, seed, static_cast<std::uint32_t>(step), site++);
    for (std::int64_t i = 0; i < values.numel(); ++i)
      values.mutable_data_ptr<float>()[i] = random_word(key, static_cast<std::uint64_t>(i)) & 1u ? 1.0f : -1.0f;
    signs.push_back(values.to(parameter.value.options()));
  }
  return signs;
}

}  // namespace

Preconditioner preconditioner_of(Optimizer& optimizer, const Model& model) {
  Preconditioner result;
  const std::optional<Preconditioning> p = optimizer.preconditioning();
  if (!p) return result;
  result.threshold = p->threshold;
  const std::vector<FloatSpan> moments = p->second_moment ? optimizer.moments(1) : std::vector<FloatSpan>();
  for (std::size_t k = 0; k < model.parameters().size(); ++k) {
    const at::Tensor weight = model.parameters()[k].value.detach();
    if (!p->second_moment) {
      result.inverse_root.push_back(at::ones_like(weight));
      continue;
    }
    const at::Tensor v = at::for_blob(moments.at(k).data, weight.sizes())
                             .options(weight.options())
                             .target_device(weight.device())
                             .make_tensor();
    result.inverse_root.push_back(v.div(p->correction).sqrt_().add_(p->eps).mul_(p->factor).rsqrt_());
  }
  return result;
}

double largest_preconditioned_curvature(const ProbedStep& step, const TensorVector& inverse_root, int iterations) {
  const double h = rounds(step.model.policy()) ? kRoundedStep : kExactStep;
  const TensorVector weights = copy_of_weights(step.model);
  TensorVector v = random_signs(step.model, static_cast<std::uint64_t>(*step.config.precision.seed), step.step);
  double curvature = kNotMeasured;
  for (int i = 0; i < iterations; ++i) {
    const double length = std::sqrt(squared_norm(v));
    if (!(length > 0) || !std::isfinite(length)) break;
    TensorVector u;  // P^-1/2 v, in the space of the weights
    for (std::size_t k = 0; k < v.size(); ++k) u.push_back(v[k].div_(length).mul(inverse_root[k]));
    const double stretch = std::sqrt(squared_norm(u));
    set_weights(step.model, weights, h / stretch, u);
    TensorVector product = gradient_at(step, step.batch);
    set_weights(step.model, weights, -h / stretch, u);
    const TensorVector below = gradient_at(step, step.batch);
    for (std::size_t k = 0; k < v.size(); ++k)
      product[k] = product[k].sub(below[k]).mul_(stretch / (2 * h)).mul_(inverse_root[k]);
    curvature = inner_product(v, product);
    v = std::move(product);
  }
  set_weights(step.model, weights);
  return curvature;
}

}  // namespace precipice
