// SPDX-License-Identifier: Apache-2.0
#include "tests/support/test_device/waits.h"

#include <mutex>

#include "tests/cuda/kernels_under_test.h"

namespace precipice::test_device {
namespace {

std::mutex counting;  // autograd's thread waits too
Waits counted;
std::int64_t of_library = 0;  // those of `counted` that the library counts too
AtenWork worked;

}  // namespace

Waits waits() {
  const auto all = static_cast<std::int64_t>(test::on_cpu().control->counters().synchronisations);
  const std::lock_guard<std::mutex> lock(counting);
  Waits result = counted;
  result["library"] = all - of_library;
  return result;
}

std::int64_t sum_of(const Waits& waits) {
  std::int64_t sum = 0;
  for (const auto& [cause, times] : waits) sum += cause == "upload" ? 0 : times;
  return sum;
}

Waits since(const Waits& before) {
  Waits after = waits();
  for (const auto& [cause, times] : before) after[cause] -= times;
  std::erase_if(after, [](const auto& of_cause) { return of_cause.second == 0; });
  return after;
}

void count_wait(const std::string& cause, bool by_library) {
  const std::lock_guard<std::mutex> lock(counting);
  ++counted[cause];
  if (by_library) ++of_library;
}

AtenWork aten_work() {
  const std::lock_guard<std::mutex> lock(counting);
  return worked;
}

void count_operation(std::int64_t bytes) {
  const std::lock_guard<std::mutex> lock(counting);
  ++worked.operations;
  worked.bytes += bytes;
}

}  // namespace precipice::test_device
