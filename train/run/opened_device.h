// SPDX-License-Identifier: Apache-2.0
// The device that a run trains on, opened, and what its files say of it.
#pragma once

#include <exception>
#include <string>

#include "metrics/log/device_fields.h"
#include "train/recipes/resolved_run.h"
#include "train/run/trainer.h"

namespace precipice {

struct OpenedDevice {
  TrainingDevice training;
  DeviceFields fields;    // empty for the CPU
  double free_bytes = 0;  // of its memory, before the run
};

// The run's device, ready: its machine works on its tensors from now on (precision/quantize/device.h). Throws ConfigError
// where it cannot be had (open_cuda()).
OpenedDevice open_training_device(const ResolvedRun& run);

// Whether the device's memory was used up, by libtorch's or the library's allocations.
bool is_out_of_device_memory(const std::exception& error);
// What the run needs, and what there was.
std::string out_of_device_memory(const ResolvedRun& run, const OpenedDevice& device);

}  // namespace precipice
