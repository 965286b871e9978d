// SPDX-License-Identifier: Apache-2.0
#include "precision/quantize/step_ledger.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/from_blob.h>

#include <cstddef>
#include <cstdint>
#include <utility>

#include "precision/base/check.h"

namespace precipice {
namespace {

// The same memory as bytes, which it keeps.
at::Tensor bytes_of(const at::Tensor& x) {
  PRECIPICE_CHECK(x.is_contiguous(), "numbers for the ledger, strides ", x.strides());
  if (x.scalar_type() == at::kByte && x.dim() == 1) return x;
  return at::for_blob(x.mutable_data_ptr(), {static_cast<std::int64_t>(x.nbytes())})
      .deleter([x](void*) {})
      .options(at::TensorOptions(at::kByte).device(x.device()))
      .target_device(x.device())
      .make_tensor();
}

}  // namespace

void StepLedger::add(const at::Tensor& numbers, Read read, Holds holds) {
  entries_.push_back({bytes_of(numbers), std::move(read), std::move(holds)});
}

bool StepLedger::settle() {
  if (entries_.empty()) return true;
  const std::vector<Entry> entries = std::exchange(entries_, {});
  std::vector<at::Tensor> all;
  for (const Entry& entry : entries) all.push_back(entry.bytes);
  const at::Tensor downloaded = at::cat(all).cpu();
  const auto for_each = [&](const auto& use) {
    const auto* bytes = static_cast<const std::byte*>(downloaded.const_data_ptr());
    for (const Entry& entry : entries) {
      if (!use(entry, bytes)) return false;
      bytes += entry.bytes.numel();
    }
    return true;
  };
  const bool all_hold =
      for_each([](const Entry& entry, const std::byte* bytes) { return !entry.holds || entry.holds(bytes); });
  if (!all_hold) return false;
  return for_each([](const Entry& entry, const std::byte* bytes) {
    if (entry.read) entry.read(bytes);
    return true;
  });
}

}  // namespace precipice
