// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

namespace precipice {

// Wall-clock time that has passed since `start`, which no change of the system's clock disturbs.
inline double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace precipice
