// SPDX-License-Identifier: Apache-2.0
// The table of the "metrics" group.
#include "metrics/log/step_record.h"

#include "precision/base/check.h"

namespace precipice {
namespace {

// The one declaration of the "metrics" group's names, units and meanings.
const std::vector<StepRecordField>& fields() {
  static const std::vector<StepRecordField> table{
      {{"train_loss", "nats", "training loss: mean cross-entropy of the batch"}, &StepRecord::train_loss},
      {{"loss_mean", "nats", "trailing mean of the training loss"}, &StepRecord::loss_mean},
      {{"learning_rate", "1", "learning rate of the update"}, &StepRecord::learning_rate},
      {{"grad_norm", "1", "global L2 norm of the unscaled gradient before clipping"}, &StepRecord::grad_norm},
      {{"param_norm", "1", "global L2 norm of the weights before the update"}, &StepRecord::param_norm},
      {{"update_ratio", "1", "L2 norm of the update over L2 norm of the weights"}, &StepRecord::update_ratio},
      {{"loss_scale", "1", "loss scale of the backward pass"}, &StepRecord::loss_scale},
      {{"skipped", "1", "1 where the loss scaler skipped the update"}, &StepRecord::skipped},
      {{"loss_spikes", "1", "spikes of the training loss so far (z-score)"}, &StepRecord::loss_spikes},
      {{"grad_spikes", "1", "spikes of the gradient norm so far (z-score)"}, &StepRecord::grad_spikes},
      {{"max_logit", "1", "largest absolute logit of the batch"}, &StepRecord::max_logit},
      {{"log_z", "nats", "mean log-partition of the batch's tokens"}, &StepRecord::log_z},
  };
  return table;
}

}  // namespace

std::span<const StepRecordField> step_record_fields() {
  return fields();
}

SeriesGroup step_record_group() {
  SeriesGroup group{"metrics", {}, {}};
  for (const StepRecordField& field : fields()) group.series.push_back(field.series);
  return group;
}

std::vector<double> to_values(const StepRecord& record) {
  std::vector<double> values;
  for (const StepRecordField& field : fields()) values.push_back(record.*field.member);
  return values;
}

StepRecord step_record_of(std::span<const double> values) {
  PRECIPICE_CHECK(values.size() == fields().size(), values.size(), " values of a step");
  StepRecord record;
  for (std::size_t i = 0; i < values.size(); ++i) record.*fields()[i].member = values[i];
  return record;
}

}  // namespace precipice
