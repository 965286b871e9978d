// SPDX-License-Identifier: Apache-2.0
#include "precision/quantize/step_ledger.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <cmath>
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

TEST_CASE("where one assumption of a ledger does not hold, nobody is told of any number") {
  const at::Tensor number = at::full({1}, 2, there(at::kFloat));
  bool told = false;
  const auto tell = [&](const void*) { told = true; };
  // Rows whose sums are 0, and one whose sums are NaN, as many as the test says; most need a second launch.
  constexpr std::int64_t kDoublesOfRow = sizeof(LogitRow) / sizeof(double);
  const at::Tensor good = at::zeros({3 * kDoublesOfRow}, there(at::kDouble));
  const at::Tensor last_is_nan = at::cat({good, at::full({kDoublesOfRow}, NAN, there(at::kDouble))});
  const Assumption three{Assumption::Kind::RowsHaveLoss, {}, 3}, four{Assumption::Kind::RowsHaveLoss, {}, 4};
  for (const int before : {0, 1, 79, 80, 200})
    for (const bool one_fails : {false, true}) {
      CAPTURE(before, one_fails);
      StepLedger ledger;
      told = false;
      ledger.add(number, tell);
      for (int i = 0; i < before; ++i) ledger.take_for_granted(good, three);
      ledger.take_for_granted(last_is_nan, one_fails ? four : three);
      const test_device::Waits waits = test_device::waits();
      CHECK(ledger.look() != nullptr);
      CHECK(test_device::since(waits).empty());
      CHECK(ledger.settle() == !one_fails);
      CHECK(told == !one_fails);
      CHECK(test_device::sum_of(test_device::since(waits)) == 1);
      CHECK(ledger.look() == nullptr);  // nothing is left
    }
}

TEST_CASE("every assumption says what holds of a number") {
  const auto holds = [](Assumption assumption, const auto& number) {
    assumption.numbers = &number;
    return assumption.holds(0);
  };
  const Assumption folded{Assumption::Kind::ScalesAreFolded, {false, 0x1p-9}},
      unfolded{Assumption::Kind::ScalesAreNotFolded, {false, 0x1p-9}},
      with_outer{Assumption::Kind::ScalesAreFolded, {true, 0.5}};
  CHECK(holds(folded, ScaleRange{0x1p-140f, 1, 0}));
  CHECK_FALSE(holds(folded, ScaleRange{0x1p-141f, 1, 0}));  // 2^-9 of it is below fp32's smallest number
  CHECK_FALSE(holds(folded, ScaleRange{1.0f, 0, 0}));
  CHECK_FALSE(holds(folded, ScaleRange{1.0f, 1, 1}));
  CHECK(holds(with_outer, ScaleRange{1.5f, 0, 0}));
  CHECK(holds(unfolded, ScaleRange{1.5f, 0, 0}));
  CHECK_FALSE(holds(unfolded, ScaleRange{1.0f, 1, 0}));
  const Assumption outer{Assumption::Kind::OuterScaleIsNotOne, {}};
  CHECK(holds(outer, MatrixNumbers{{}, 1.0f, 2.0f, 0.0f}));
  CHECK_FALSE(holds(outer, MatrixNumbers{}));
  LogitRow row;
  row.others = 1e308, row.target = 1;
  CHECK(holds({Assumption::Kind::RowsHaveLoss, {}}, row));
  row.others = INFINITY;
  CHECK_FALSE(holds({Assumption::Kind::RowsHaveLoss, {}}, row));
}
