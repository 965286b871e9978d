// SPDX-License-Identifier: Apache-2.0
#include "train/recipes/resolved_run.h"

#include <utility>

#include "train/recipes/recipes.h"

namespace precipice {
namespace {

void refuse_flash_on_gpu(const PrecisionSchedule& schedule) {
  for (const PrecisionPolicy& policy : schedule.policies)
    for (std::size_t site = 0; site < policy.num_sites(); ++site)
      if (policy.at(site).flash.is_on)
        throw ConfigError(
            {"", 0, "device", to_string(DeviceKind::Cuda)},
            policy.site_names()[site] + ": flash attention has no kernels for it yet; device = \"cpu\" trains it");
}

}  // namespace

ResolvedRun::ResolvedRun(RunConfig config_given)
    : config(std::move(config_given)),
      schedule(make_schedule(config.precision, config.model, config.train.steps)),
      stored(parse_stored_formats(config.optimizer.state)) {
  if (config.device == DeviceKind::Cuda) refuse_flash_on_gpu(schedule);
}

ResolvedRun::ResolvedRun(RunConfig config_given, const ResolvedRun& same_precision)
    : config(std::move(config_given)), schedule(same_precision.schedule), stored(same_precision.stored) {}

}  // namespace precipice
