// SPDX-License-Identifier: Apache-2.0
// Checkpoints of a run that holds its directory.
#pragma once

#include "metrics/log/directory.h"
#include "train/run/checkpoint.h"

namespace precipice {

// write_checkpoint into a directory that is open already, and nowhere else. Throws OutputError.
void write_checkpoint_into(const Directory& directory, const Checkpoint& checkpoint);

}  // namespace precipice
