// SPDX-License-Identifier: Apache-2.0
// What a kernel body knows of its launch. Bodies meet in integer sums and maxima alone, which have one result in whatever
// order threads come (DeviceAtomics, launch_cuda.cuh). Free of CUDA includes.
#pragma once

#include <cstdint>

#include "precision/base/host_device.h"
#include "precision/rounding/random_bits.h"

namespace precipice {

// Blocks and threads per block; 0: what suits the kernel and the device. Where the launch is queued: a cudaStream_t.
struct Launch {
  int blocks = 0;
  int threads = 0;
  void* stream = nullptr;
};

// Where nothing is said but the stream.
inline Launch on_stream(void* stream) {
  return {0, 0, stream};
}

// Threads that share a row: the lanes of precision/kernels/lanes.h.
inline constexpr int kRowLanes = 16;

// What the blocks of a launch add up in memory, as integers: zeros before it, and zeros again once its last block has taken
// what there is.
template <class T>
struct LaunchSums {
  T sums;
  unsigned long long blocks_done;
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

}  // namespace precipice
