// SPDX-License-Identifier: Apache-2.0
// How long a training step takes on this machine, without probes and validation, from steps that are thrown away,
// within a limit of time that is kept: they are taken in a process of their own, which is ended when the limit is over.
// Where whole steps would take longer, what is measured are steps of one sequence, and of fewer layers where need be:
// their times lie on a line, whose other layers are added; sequences are multiplied. No data is read: tokens are
// random.
#pragma once

#include <cmath>
#include <limits>
#include <string>

#include "train/config/run_config.h"

namespace precipice {

struct StepTiming {
  double seconds = std::numeric_limits<double>::quiet_NaN();  // of one step; NaN: not measured
  std::string how;  // "measured", "from one of 16 sequences and 2 of 12 layers", or why it was not measured
  bool is_measured() const { return !std::isnan(seconds); }
};

// Steps of a run on a GPU are not measured: it may be another machine's. Nothing is run that needs more than `memory_bytes`.
StepTiming time_step(const RunConfig& config, double limit_seconds, double memory_bytes);

// Multiply-adds of a step, roughly: steps of unlike models are as long as these.
double step_work(const RunConfig& config);

}  // namespace precipice
