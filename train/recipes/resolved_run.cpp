// SPDX-License-Identifier: Apache-2.0
#include "train/recipes/resolved_run.h"

#include <utility>

#include "train/recipes/recipes.h"

namespace precipice {

ResolvedRun::ResolvedRun(RunConfig config_given)
    : config(std::move(config_given)),
      schedule(make_schedule(config.precision, config.model, config.train.steps)),
      stored(parse_stored_formats(config.optimizer.state)) {}

ResolvedRun::ResolvedRun(RunConfig config_given, const ResolvedRun& same_precision)
    : config(std::move(config_given)), schedule(same_precision.schedule), stored(same_precision.stored) {}

}  // namespace precipice
