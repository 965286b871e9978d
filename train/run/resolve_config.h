// SPDX-License-Identifier: Apache-2.0
// From settings to a config that can be run: what follows from other keys is put in, the recipe's storage and loss
// scaling are written out, and combinations are checked.
#pragma once

#include <vector>

#include "train/config/run_config.h"

namespace precipice {

struct ResolvedRun;  // train/recipes/resolved_run.h

// Defaults, then the settings in order; optional seeds follow `seed`, storage and loss scaling the recipe where their
// keys say so; combinations are checked (heads divide width, known recipe, formats parse, path given, ...). Throws
// ConfigError with file, line, key, value and what is allowed.
RunConfig resolve_config(const std::vector<Setting>& settings);
// Its second half, on a config to which settings of these places have been applied. `fields` are of this config.
void complete_config(RunConfig& config, const std::vector<ConfigField>& fields, const SettingPlaces& places);
// The same with what its texts mean, for who goes on to train or plan it: they are read once.
ResolvedRun resolve_run(const std::vector<Setting>& settings);

}  // namespace precipice
