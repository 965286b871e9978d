// SPDX-License-Identifier: Apache-2.0
// Scales multiplied into an operand on a device: what is taken for granted there, and what the ledger says of it after,
// against what the CPU decides beforehand.
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>

#include <algorithm>
#include <initializer_list>
#include <optional>

#include "precision/format/format_presets.h"
#include "precision/format/quantum.h"
#include "precision/gemm/operand_scales.h"
#include "tests/support/catch.h"
#include "tests/support/test_device/test_device.h"
#include "tests/support/test_device/waits.h"

using namespace precipice;

namespace {

// Numbers of E4M3 as bf16, in blocks of two.
Quantized operand_of(std::initializer_list<float> numbers, std::initializer_list<float> scales) {
  const auto row = [](std::initializer_list<float> list) {
    const at::Tensor x = at::empty({1, static_cast<std::int64_t>(list.size())}, at::TensorOptions(at::kFloat));
    std::copy(list.begin(), list.end(), x.mutable_data_ptr<float>());
    return x;
  };
  Quantized q;
  q.values = row(numbers).to(at::kBFloat16);
  q.scales = row(scales);
  q.block_k = 2;
  q.format = kE4m3;
  q.quantum = static_cast<float>(quantum_of(kE4m3));
  return q;
}

struct There {
  std::optional<Quantized> folded;
  bool holds;
};
There fold_there(Quantized q, bool powers_of_two) {
  const at::Device device = test_device::test_device().device;
  q.values = q.values.to(device);
  q.scales = q.scales.to(device);
  q.powers_of_two = powers_of_two;
  StepLedger ledger;
  const test_device::Waits before = test_device::waits();
  There result{folded(q, &ledger), false};
  CHECK(test_device::since(before).empty());
  result.holds = ledger.settle();
  return result;
}

}  // namespace

TEST_CASE(
    "scales that are powers of two by their rule are multiplied in without waiting, and what was not exact is known "
    "later") {
  const struct {
    const char* what;
    Quantized operand;
    bool holds;
  } cases[] = {
      {"exact", operand_of({448, 0.015625f, -3, 0}, {0x1p-3f, 0x1p5f}), true},
      {"too small for bf16's instructions, but bf16 numbers", operand_of({448, 0.25f, -3, 0}, {0x1p-126f, 1}), true},
      {"no bf16 number", operand_of({448, 0x1p-9f, -3, 0}, {0x1p-126f, 1}), false},
      {"infinite", operand_of({448, 1, -3, 0}, {1, 0x1p127f}), false},
      {"a block of zeros under its subnormal scale", operand_of({448, 1, 0, -0.0f}, {1, kScaleOfZeros}), true},
      {"nothing but zeros", operand_of({0, 0, 0, 0}, {kScaleOfZeros, kScaleOfZeros}), true},
      {"another number under the scale of zeros", operand_of({448, 1, 0, 0x1p-9f}, {1, kScaleOfZeros}), false},
  };
  for (const auto& c : cases) {
    INFO(c.what);
    const There there = fold_there(c.operand, true);
    REQUIRE(there.folded);
    CHECK(there.holds == c.holds);
    const std::optional<Quantized> on_cpu = folded(c.operand);
    if (!c.holds) continue;
    REQUIRE(on_cpu);
    CHECK(at::equal(there.folded->values.cpu().to(at::kFloat), on_cpu->values.to(at::kFloat)));
  }
}

TEST_CASE(
    "scales that are no powers of two by their rule are left, and that they might be multiplied in is known later") {
  const There left = fold_there(operand_of({448, 1, -3, 0}, {3, 0.7f}), false),
              missed = fold_there(operand_of({448, 1, -3, 0}, {2, 0.5f}), false);
  CHECK_FALSE(left.folded);
  CHECK(left.holds);
  CHECK_FALSE(missed.folded);
  CHECK_FALSE(missed.holds);
}
