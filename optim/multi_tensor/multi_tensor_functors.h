// SPDX-License-Identifier: Apache-2.0
// What each multi-tensor kernel does to one element, for host and device alike; multi_tensor-inl.h walks a chunk on the
// CPU. A body gets x[d], the element of list d; it changes those of kWritten (bit d) and measures kMeasures numbers,
// whose squares are summed.
#pragma once

#include <iterator>
#include <type_traits>

#include "optim/rules/update_rule.h"
#include "precision/base/host_device.h"

namespace precipice {

struct Measures {
  float value[2] = {0.0f, 0.0f};
};

struct ScaleBody {  // {x}
  static constexpr int kLists = 1, kMeasures = 1;
  static constexpr unsigned kWritten = 0b1;
  float factor;

  PRECIPICE_HD Measures operator()(float (&x)[kLists]) const {
    x[0] = factor * x[0];
    return {{x[0], 0.0f}};
  }
};

struct NormBody {  // {x}
  static constexpr int kLists = 1, kMeasures = 1;
  static constexpr unsigned kWritten = 0;

  PRECIPICE_HD Measures operator()(float (&x)[kLists]) const { return {{x[0], 0.0f}}; }
};

struct DistanceBody {  // {a, b}
  static constexpr int kLists = 2, kMeasures = 1;
  static constexpr unsigned kWritten = 0;

  PRECIPICE_HD Measures operator()(float (&x)[kLists]) const { return {{x[0] - x[1], 0.0f}}; }
};

template <class Rule>
inline constexpr int kMomentsOf = static_cast<int>(std::size(Rule::kMoments));

// The update of a rule, with gradient clipping and weight decay: p = keep p - step.
template <class Rule>
struct UpdateBody {  // {g, p, moments...}
  static constexpr int kLists = 2 + kMomentsOf<Rule>, kMeasures = 2;
  static constexpr unsigned kWritten = (1u << kLists) - 2;
  static_assert(std::is_trivially_copyable_v<Rule>, "a GPU's kernel gets a copy");
  Rule rule;
  float grad_scale;
  float gradient_decay;  // weight decay in the gradient
  float keep, drop;      // what decay beside the step leaves of the weight, and takes

  UpdateBody(const OptimizerConfig& config, const UpdateArgs& update)
      : rule(config, update),
        grad_scale(static_cast<float>(update.grad_scale)),
        gradient_decay(static_cast<float>(Rule::kDecay == Decay::InGradient ? update.weight_decay : 0.0)),
        keep(static_cast<float>(1 - coupled(update) - update.independent_decay)),
        drop(static_cast<float>(coupled(update) + update.independent_decay)) {}

  PRECIPICE_HD Measures operator()(float (&x)[kLists]) const {
    const float p = x[1];
    x[1] = p * keep - step(x);
    return {{x[1] - p, p}};
  }

  PRECIPICE_HD void set_grad_scale(float factor) { grad_scale = factor; }

  PRECIPICE_HD float step(float (&x)[kLists]) const {
    float g = x[0] * grad_scale;
    if constexpr (Rule::kDecay == Decay::InGradient) {
      if (gradient_decay != 0.0f) g += gradient_decay * x[1];
    }
    return rule.step(g, x + 2);
  }

 private:
  static double coupled(const UpdateArgs& update) {
    return Rule::kDecay == Decay::BesideStep ? update.lr * update.weight_decay : 0.0;
  }
};

// What the update would add to p, decay included, as value[0]: p itself stays. For weights that are kept with
// compensation.
template <class Rule>
struct ChangeBody {
  static constexpr int kLists = UpdateBody<Rule>::kLists, kMeasures = 2;
  static constexpr unsigned kWritten = UpdateBody<Rule>::kWritten & ~0b10u;
  UpdateBody<Rule> update;

  PRECIPICE_HD Measures operator()(float (&x)[kLists]) const {
    const float p = x[1];
    return {{-(update.step(x) + update.drop * p), p}};
  }
};

}  // namespace precipice
