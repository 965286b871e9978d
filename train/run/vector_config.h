// SPDX-License-Identifier: Apache-2.0
// Keys of a model that learns vectors (Task::Vectors): those of tokens, attention, embedding and head say nothing there.
#pragma once

#include "train/config/run_config.h"

namespace precipice {

// Sets what follows from model.kind: the teacher as the source, one place and one head, no metrics of logits; the teacher
// is of the model's size where its keys do not say otherwise. Changes nothing that a setting of `places` chose.
void complete_for_vectors(RunConfig& config, const SettingPlaces& places);

// Throws ConfigError where such a model is asked for what it has not, and another one for what it alone has; the error names
// the key.
void check_task(const RunConfig& config);

}  // namespace precipice
