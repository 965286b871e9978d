// SPDX-License-Identifier: Apache-2.0
// Whether what a step took for granted holds (precision/calls/assumption.h): a thread has a number. Assumptions are
// parameters of the launch, so that nobody waits for an upload. Host and device, no CUDA in it.
#pragma once

#include <cstdint>

#include "precision/base/host_device.h"
#include "precision/calls/assumption.h"
#include "precision/cuda/launch.h"

namespace precipice {

struct LookLaunch {
  static constexpr int kMost = 80;
  Assumption assumptions[kMost];
  std::int64_t ends[kMost];  // numbers of an assumption and of those before it
  int count;
  std::uint32_t* failed;

  // Whether there was room.
  bool append(const Assumption& assumption) {
    if (count == kMost) return false;
    assumptions[count] = assumption;
    ends[count] = (count == 0 ? 0 : ends[count - 1]) + assumption.count;
    ++count;
    return true;
  }

  PRECIPICE_HD std::int64_t items() const { return count == 0 ? 0 : ends[count - 1]; }
  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position) const {
    bool all = true;
    for (std::int64_t item = position.thread; item < items(); item += position.threads) {
      int low = 0, high = count - 1;  // the first that ends behind the item
      while (low < high) {
        const int middle = (low + high) / 2;
        (item < ends[middle] ? high : low) = item < ends[middle] ? middle : middle + 1;
      }
      all &= assumptions[low].holds(item - (low == 0 ? 0 : ends[low - 1]));
    }
    if (!all) Atomics::raise(*failed, 1u);
  }
};
static_assert(sizeof(LookLaunch) <= 4096, "what parameters of a launch may have");

}  // namespace precipice
