// SPDX-License-Identifier: Apache-2.0
// One row of the "metrics" group. The struct is the schema: step_record_series() names each member for the file.
#pragma once

#include <limits>
#include <span>
#include <vector>

#include "metrics/log/series.h"

namespace precipice {

inline constexpr double kNotMeasured = std::numeric_limits<double>::quiet_NaN();

struct StepRecord {
  double train_loss = kNotMeasured;  // mean cross-entropy of the batch, nats per token
  double loss_mean = kNotMeasured;   // trailing mean that the divergence rule watches
  double learning_rate = kNotMeasured;
  double grad_norm = kNotMeasured;     // global L2 norm of the unscaled gradient, before clipping
  double param_norm = kNotMeasured;    // global L2 norm of the weights before the update
  double update_ratio = kNotMeasured;  // |update|_2 / |weights|_2 over all parameters
  double loss_scale = kNotMeasured;
  double skipped = 0;               // 1 when the loss scaler skipped the update
  double loss_spikes = 0;           // count so far, z-score rule on the loss
  double grad_spikes = 0;           // the same on the gradient norm
  double max_logit = kNotMeasured;  // max |logit| over the batch
  double log_z = kNotMeasured;      // mean log-partition over the batch's tokens
};

struct StepRecordField {
  Series series;
  double StepRecord::*member;
};

std::span<const StepRecordField> step_record_fields();
SeriesGroup step_record_group();                          // named "metrics"
std::vector<double> to_values(const StepRecord& record);  // in the order of the fields
StepRecord step_record_of(std::span<const double> values);

}  // namespace precipice
