// SPDX-License-Identifier: Apache-2.0
#include "train/recipes/resolved_run.h"

#include <utility>

#include "train/recipes/recipes.h"

namespace precipice {

ResolvedRun::ResolvedRun(RunConfig config_given)
    : config(std::move(config_given)), schedule(make_schedule(config.precision, config.model, config.train.steps)) {}

ResolvedRun::ResolvedRun(RunConfig config_given, PrecisionSchedule schedule_given)
    : config(std::move(config_given)), schedule(std::move(schedule_given)) {}

}  // namespace precipice
