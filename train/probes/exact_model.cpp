// SPDX-License-Identifier: Apache-2.0
#include "train/probes/exact_model.h"

#include "train/model/architectures.h"

namespace precipice {

std::shared_ptr<const Model> ExactModel::at(const ProbedStep& step) {
  if (!model_) {
    const PrecisionPolicy& policy = step.model.policy();
    model_ = make_model(step.config.model, step.config.init, step.config.data.vocabulary,
                        PrecisionPolicy(policy.layers(), policy.block_sites()));
  }
  set_weights(*model_, copy_of_weights(step.model));
  return model_;
}

ProbedStep exact_step(const ProbedStep& step, const Model& exact, const ScaleStates& none) {
  ProbedStep same{exact, step.config, step.batch, none};
  same.step = step.step;
  return same;
}

}  // namespace precipice
