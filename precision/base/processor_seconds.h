// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ctime>

namespace precipice {

inline double seconds_of(clockid_t clock) {
  std::timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// Processor time that all threads of this process have taken so far (POSIX clock_gettime), which waiting for a processor
// that others use does not add to.
inline double processor_seconds() {
  return seconds_of(CLOCK_PROCESS_CPUTIME_ID);
}

// The same of this thread alone.
inline double thread_seconds() {
  return seconds_of(CLOCK_THREAD_CPUTIME_ID);
}

}  // namespace precipice
