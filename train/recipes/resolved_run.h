// SPDX-License-Identifier: Apache-2.0
// A resolved config with what follows from its texts: the precision of every step, and how numbers are kept between
// steps. Recipes, rules and formats are texts in a config; they are read once, here, and whoever trains, evaluates or
// plans the run takes what they mean.
#pragma once

#include "optim/stored_format.h"
#include "precision/policy/policy.h"
#include "train/config/run_config.h"

namespace precipice {

struct ResolvedRun {
  // `config` is resolved (train/run/resolve_config.h). Throws ConfigError.
  ResolvedRun(RunConfig config);  // NOLINT: a config says all of it
  // Of a config with the precision, the storage and the number of layers and steps of another run.
  ResolvedRun(RunConfig config, const ResolvedRun& same_precision);

  RunConfig config;
  PrecisionSchedule schedule;
  StoredFormats stored;
};

}  // namespace precipice
