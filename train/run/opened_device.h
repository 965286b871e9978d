// SPDX-License-Identifier: Apache-2.0
// The device that a run trains on, opened, and what its files say of it.
#pragma once

#include "metrics/log/device_fields.h"
#include "train/recipes/resolved_run.h"
#include "train/run/trainer.h"

namespace precipice {

struct OpenedDevice {
  TrainingDevice training;
  DeviceFields fields;  // empty for the CPU
};

// The run's device, ready: its machine works on its tensors from now on (precision/quantize/device.h). Throws ConfigError
// where it cannot be had (open_cuda()).
OpenedDevice open_training_device(const ResolvedRun& run);

}  // namespace precipice
