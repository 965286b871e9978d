// SPDX-License-Identifier: Apache-2.0
#include "tests/support/test_device/waits.h"

#include <mutex>

namespace precipice::test_device {
namespace {

std::mutex counting;  // autograd's thread waits too
Waits counted;

}  // namespace

Waits waits() {
  const std::lock_guard<std::mutex> lock(counting);
  return counted;
}

std::int64_t sum_of(const Waits& waits) {
  std::int64_t sum = 0;
  for (const auto& [cause, times] : waits) sum += times;
  return sum;
}

Waits since(const Waits& before) {
  Waits after = waits();
  for (const auto& [cause, times] : before) after[cause] -= times;
  std::erase_if(after, [](const auto& of_cause) { return of_cause.second == 0; });
  return after;
}

void count_wait(const std::string& cause) {
  const std::lock_guard<std::mutex> lock(counting);
  ++counted[cause];
}

}  // namespace precipice::test_device
