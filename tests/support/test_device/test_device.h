// SPDX-License-Identifier: Apache-2.0
// A device for libtorch (PrivateUse1) that is the CUDA library on the CPU (tests/support/cuda_on_cpu): its machines are those
// of a GPU, whose kernels are queued and run when somebody waits; ATen's operations and products are the CPU's on the same
// memory, which is closed to the host else; autograd walks backward in a thread of its own, as on CUDA. What runs on it with
// the CPU's bits touches device memory through the machines' tables and ATen alone.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>

#include "train/run/trainer.h"

namespace precipice::test_device {

// From the first call on libtorch knows the device, and it has a machine: cuda_machine().
TrainingDevice test_device();

// Products so far that gave bf16 numbers (ProductCall::packed).
std::int64_t bf16_products();

// While one lives, its products have no order of sums to keep (Machine::has_free_sums), as a GPU's.
class FreeSums {
 public:
  FreeSums();
  ~FreeSums();
  FreeSums(const FreeSums&) = delete;
  FreeSums& operator=(const FreeSums&) = delete;
};

}  // namespace precipice::test_device
