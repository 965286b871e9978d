// SPDX-License-Identifier: Apache-2.0
// What the files of this folder share: the counts, the first error of a kernel, and the chosen order. One lock is held
// by whoever is inside the run-time library; kernels run in the thread that waits for them.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>

#include "tests/support/cuda_on_cpu/control.h"

namespace cuda_on_cpu {

std::recursive_mutex& run_time_lock();
inline Counters& counters() {
  static Counters all;
  return all;
}
Device& device();

// The first problem since it was last taken is kept: what follows from it says less.
void report(const std::string& problem);
bool has_problem();
std::string take_problem();

// Numbers below `end` in an order that follows from the seed; of seed 0 the last comes first.
class Order {
 public:
  static void set_seed(std::uint64_t seed);
  // The next order of the program, of `end` numbers.
  explicit Order(std::uint64_t end);
  std::uint64_t at(std::uint64_t place) const;

 private:
  std::uint64_t end_, step_, first_;
};

}  // namespace cuda_on_cpu
