// SPDX-License-Identifier: Apache-2.0
#include "precision/quantize/step_ledger.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>

#include <cstddef>
#include <cstdint>
#include <utility>

#include "precision/base/check.h"
#include "precision/quantize/device.h"

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

void StepLedger::add(const at::Tensor& numbers, Read read) {
  entries_.push_back({bytes_of(numbers), std::move(read)});
}

void StepLedger::take_for_granted(const at::Tensor& numbers, Assumption assumption) {
  PRECIPICE_CHECK(numbers.is_contiguous(), "numbers for the ledger, strides ", numbers.strides());
  PRECIPICE_CHECK(!failed_.defined(), "taken for granted after the look");
  assumption.numbers = numbers.const_data_ptr();
  assumptions_.push_back(assumption);
  assumed_.push_back(numbers);
}

const std::uint32_t* StepLedger::look() {
  if (assumptions_.empty()) return nullptr;
  if (!failed_.defined()) {
    failed_ = at::zeros({1}, assumed_.front().options().dtype(at::kInt));
    const Machine& machine = machine_of(failed_);
    machine.look(assumptions_.data(), static_cast<std::int64_t>(assumptions_.size()),
                 static_cast<std::uint32_t*>(failed_.mutable_data_ptr()), machine.current_stream());
  }
  return static_cast<const std::uint32_t*>(failed_.const_data_ptr());
}

StepLedger::Gathered StepLedger::gather() {
  Gathered gathered;
  gathered.was_looked_ = look() != nullptr;
  StepLedger settled = std::exchange(*this, {});
  if (gathered.was_looked_) settled.add(settled.failed_, {});
  std::vector<at::Tensor> all;
  for (Entry& entry : settled.entries_) {
    all.push_back(entry.bytes);
    gathered.parts_.push_back({entry.bytes.numel(), std::move(entry.read)});
  }
  if (!all.empty()) gathered.all_ = at::cat(all);
  return gathered;
}

bool StepLedger::Gathered::tell() const {
  if (parts_.empty()) return true;
  const at::Tensor downloaded = all_.cpu();
  const auto* bytes = static_cast<const std::byte*>(downloaded.const_data_ptr());
  const std::byte* const last = bytes + downloaded.numel() - sizeof(std::uint32_t);
  if (was_looked_ && number_at<std::uint32_t>(last) != 0) return false;
  for (const Part& part : parts_) {
    if (part.read) part.read(bytes);
    bytes += part.bytes;
  }
  return true;
}

}  // namespace precipice
