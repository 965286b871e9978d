// SPDX-License-Identifier: Apache-2.0
// A resolved config with the precision that follows from it. Recipes, rules and formats are texts in a config; they are
// read once, here, and whoever trains, evaluates or plans the run takes what they mean.
#pragma once

#include "precision/policy/policy.h"
#include "train/config/run_config.h"

namespace precipice {

struct ResolvedRun {
  // `config` is resolved (train/run/resolve_config.h). Throws ConfigError.
  ResolvedRun(RunConfig config);  // NOLINT: a config says all of it
  // Of a schedule that is known to be the config's.
  ResolvedRun(RunConfig config, PrecisionSchedule schedule);

  RunConfig config;
  PrecisionSchedule schedule;
};

}  // namespace precipice
