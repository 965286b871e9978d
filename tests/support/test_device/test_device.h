// SPDX-License-Identifier: Apache-2.0
// A device for libtorch (PrivateUse1) that is the CPU behind a wall: ATen's operations on it are the CPU's on the same
// numbers, its memory is closed to the host, and autograd walks backward in a thread of its own, as on CUDA. What runs
// on it with the CPU's bits touches device memory through the machine's table and ATen alone.
#pragma once

#include <c10/core/Device.h>

#include "train/run/trainer.h"

namespace precipice::test_device {

// From the first call on libtorch knows the device, and it has a machine: the CPU's loops with the memory opened.
TrainingDevice test_device();

}  // namespace precipice::test_device
