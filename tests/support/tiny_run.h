// SPDX-License-Identifier: Apache-2.0
// A run small enough to train many times in one test.
#pragma once

#include <string>
#include <vector>

#include "train/config/run_config.h"
#include "train/run/resolve_config.h"

namespace precipice::test {

inline RunConfig tiny_config(std::vector<std::string> assignments = {}) {
  std::vector<Setting> settings = parse_settings(
      "[model]\nlayers = 2\nwidth = 16\nheads = 2\ncontext = 16\n[data]\ntokens = 20000\nvocabulary = 24\n"
      "[schedule]\nwarmup_steps = 5\n[train]\nsteps = 20\nbatch = 4\neval_every = 10\neval_batches = 2\n"
      "[metrics]\nsharpness_every = 5\ntensors_every = 5\n",
      "tiny.toml");
  for (const auto& text : assignments) settings.push_back(parse_assignment(text));
  return resolve_config(settings);
}

}  // namespace precipice::test
