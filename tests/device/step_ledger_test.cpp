// SPDX-License-Identifier: Apache-2.0
#include "precision/quantize/step_ledger.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>

#include <cstdint>
#include <string>

#include "tests/support/catch.h"
#include "tests/support/test_device/test_device.h"
#include "tests/support/test_device/waits.h"

using namespace precipice;

namespace {

at::TensorOptions there(at::ScalarType type) {
  return at::TensorOptions(type).device(test_device::test_device().device);
}

}  // namespace

TEST_CASE("a ledger waits once and tells all who asked, in their order, of numbers of any type") {
  StepLedger ledger;
  std::string told;
  const at::Tensor numbers = at::arange(3, there(at::kFloat)), one = at::full({}, 7, there(at::kLong));
  const test_device::Waits before = test_device::waits();
  ledger.add(numbers, [&](const void* bytes) {
    for (int i = 0; i < 3; ++i)
      told += std::to_string(static_cast<int>(number_at<float>(static_cast<const float*>(bytes) + i)));
  });
  ledger.add(one, [&](const void* bytes) { told += std::to_string(number_at<std::int64_t>(bytes)); });
  CHECK(told.empty());
  CHECK(ledger.settle());
  CHECK(told == "0127");
  CHECK(test_device::since(before) == test_device::Waits{{"copy", 1}});
  CHECK(ledger.settle());  // nothing is left, and nobody waits
  CHECK(told == "0127");
  CHECK(test_device::sum_of(test_device::since(before)) == 1);
}

TEST_CASE("where one number of a ledger does not hold, nobody is told of any") {
  StepLedger ledger;
  bool told = false;
  const at::Tensor number = at::full({1}, 2, there(at::kFloat));
  const auto tell = [&](const void*) { told = true; };
  ledger.add(number, tell);
  ledger.add(number, tell, [](const void* bytes) { return number_at<float>(bytes) > 3; });
  CHECK_FALSE(ledger.settle());
  CHECK_FALSE(told);
  ledger.add(number, tell, [](const void* bytes) { return number_at<float>(bytes) == 2; });
  CHECK(ledger.settle());
  CHECK(told);
}
