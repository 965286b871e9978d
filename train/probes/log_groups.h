// SPDX-License-Identifier: Apache-2.0
// The groups that every run's log begins with, in their order: "metrics" (metrics/log/step_record.h), "eval", the probes'.
#pragma once

#include <cstdint>

#include "metrics/log/series.h"

namespace precipice {

// Groups by their index in SeriesRow; those of the probes follow (train/probes/all_probes.cpp).
enum LogGroup : std::uint16_t { kMetricsGroup, kEvalGroup, kFirstProbeGroup };
// Places in a row of kEvalGroup.
enum EvalValue : std::uint8_t { kValidationLoss, kExcessLoss };
SeriesGroup eval_group();

}  // namespace precipice
