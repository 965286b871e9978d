// SPDX-License-Identifier: Apache-2.0
// The threads of a block on one CPU thread. Each has a stack of its own once it has waited; one that never waits is a
// call. They are exchanged where they wait alone, at barriers, warp operations and their ends, in an order that a seed
// chooses, so that a launch can be repeated. Reported are threads that wait for one another in vain:
//   a barrier that a thread of the block ended without, or that others wait for elsewhere
//   a warp operation whose mask names a lane that ended, waits elsewhere or brought another mask
#pragma once

#include <cstddef>
#include <source_location>

#include "tests/support/cuda_on_cpu/access_check.h"
#include "tests/support/cuda_on_cpu/cuda_runtime.h"

namespace cuda_on_cpu {

// Runs all blocks of a launch, until its end or its first mistake, which is reported.
void run_launch(const Launch& launch);

// Of an access by the kernel's thread that runs, which does not go on if something is wrong with it. Elsewhere nothing.
// `alignment`: that the access needs.
void look_at(const void* at, std::size_t bytes, Access access, std::size_t alignment = 1);

// The kernel's thread that runs does not go on: this is wrong with what it does. Over nothing that has a destructor.
[[noreturn]] void end_thread(const char* problem);

// While one lives, in a function that kernels call, accesses are not looked at.
class NotOnDevice {
 public:
  NotOnDevice();
  ~NotOnDevice();
  NotOnDevice(const NotOnDevice&) = delete;
  NotOnDevice& operator=(const NotOnDevice&) = delete;
};

}  // namespace cuda_on_cpu
