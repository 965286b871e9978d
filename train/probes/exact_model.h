// SPDX-License-Identifier: Apache-2.0
// The model of a step with nothing rounded: a second model in fp32, made when first needed, at the step's weights.
#pragma once

#include <memory>

#include "train/probes/probed_step.h"

namespace precipice {

class ExactModel {
 public:
  // At the weights that the step's model has now. Good until the next call.
  std::shared_ptr<const Model> at(const ProbedStep& step);

 private:
  std::shared_ptr<Model> model_;
};

// The step as that model sees it, without delayed scales and without loss scaling. `none` outlives the result.
ProbedStep exact_step(const ProbedStep& step, const Model& exact, const ScaleStates& none);

}  // namespace precipice
