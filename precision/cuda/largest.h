// SPDX-License-Identifier: Apache-2.0
// The largest magnitude of the numbers that a launch writes, found as they are written: a quantizer that scales by it
// needs no pass over them (precision/quantize/noted_amax.h). Patterns of magnitudes are integers: no order of threads
// matters, and a NaN is larger than all numbers. Host and device, no CUDA in them.
#pragma once

#include <cstdint>

#include "precision/base/host_device.h"
#include "precision/cuda/launch.h"
#include "precision/cuda/quantize_launch.h"

namespace precipice {

// Bodies show every number that they write to one of these.
struct Unseen {
  PRECIPICE_HD void see(float) {}
};
// Of one thread.
struct LargestSeen {
  std::int32_t pattern = 0;

  PRECIPICE_HD void see(float x) {
    const std::int32_t own = pattern_in<Binary32>(x);
    pattern = own > pattern ? own : pattern;
  }
};

// Of a block, and of a launch.
struct Largest {
  std::int64_t pattern = 0;
};

template <class Atomics>
PRECIPICE_HD void merge(Largest& to, std::int64_t pattern) {
  if (pattern != 0) Atomics::raise(to.pattern, pattern);
}

// Where the largest of a launch goes: through its blocks to `amax`.
struct LargestOfLaunch {
  LaunchSums<Largest>* sums;
  float* amax;

  PRECIPICE_HD void clear(Largest& shared) const { shared = Largest{}; }
  template <class Atomics>
  PRECIPICE_HD void publish(const Largest& shared) const {
    merge<Atomics>(sums->sums, shared.pattern);
  }
  template <class Atomics>
  PRECIPICE_HD void finish() const {
    *amax = amax_of<Binary32>(Atomics::take(sums->sums.pattern));
  }
};

// A body whose threads have items, watched.
template <class Body>
struct SeenLaunch : LargestOfLaunch {
  Body body;

  PRECIPICE_HD std::int64_t items() const { return body.items(); }
  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position, Largest& shared) const {
    LargestSeen own;
    body.run_seen(position, own);
    merge<Atomics>(shared, own.pattern);
  }
};

}  // namespace precipice
