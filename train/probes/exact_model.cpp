// SPDX-License-Identifier: Apache-2.0
#include "train/probes/exact_model.h"

#include <utility>

#include "train/model/architectures.h"

namespace precipice {

std::shared_ptr<const Model> ExactModel::at(const ProbedStep& step) {
  if (!model_) {
    std::unique_ptr<Model> model =
        make_model(step.config.model, step.config.init, step.config.data.vocabulary, step.model.policy().exact());
    if (!step.model.device().is_cpu()) model->to(step.model.device());
    model_ = std::move(model);
  }
  TensorVector weights;  // those of the step's own model, not copies
  for (const NamedParameter& parameter : step.model.parameters()) weights.push_back(parameter.value);
  set_weights(*model_, weights);
  return model_;
}

ProbedStep exact_step(const ProbedStep& step, const Model& exact, const ScaleStates& none) {
  ProbedStep same{exact, step.config, step.batch, none};
  same.step = step.step;
  return same;
}

}  // namespace precipice
