// SPDX-License-Identifier: Apache-2.0
// What a kernel body knows of its launch, on the device and where a CPU test walks the same blocks and threads, and how
// bodies meet: integer sums and maxima, which have one result in whatever order threads come. Free of CUDA includes.
#pragma once

#include <cstdint>

#include "precision/base/host_device.h"
#include "precision/rounding/random_bits.h"

namespace precipice {

// Blocks and threads per block; 0: what suits the kernel and the device.
struct Launch {
  int blocks = 0;
  int threads = 0;
};

// A body handles items `thread`, `thread + threads`, `thread + 2 threads`, ... below its number of items.
struct ThreadPosition {
  std::int64_t thread;   // among all threads of the launch
  std::int64_t threads;  // of the launch
};

PRECIPICE_HD ThreadPosition thread_position(int block, int blocks, int thread, int threads_per_block) {
  return {static_cast<std::int64_t>(block) * threads_per_block + thread,
          static_cast<std::int64_t>(blocks) * threads_per_block};
}

// For the CPU, where threads come one after another. The device's counterpart is in launch_cuda.cuh.
struct SequentialAtomics {
  static void add(std::uint64_t& to, std::uint64_t value) { to += value; }
  static void raise(std::int64_t& to, std::int64_t value) { to = value > to ? value : to; }
};

}  // namespace precipice
