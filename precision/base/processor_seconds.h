// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ctime>

namespace precipice {

// Processor time that all threads of this process have taken so far (POSIX clock_gettime), which waiting for a processor
// that others use does not add to.
inline double processor_seconds() {
  std::timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace precipice
