// SPDX-License-Identifier: Apache-2.0
#include "precision/quantize/noted_amax.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/core/TensorImpl.h>

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "precision/base/check.h"
#include "precision/quantize/device.h"

namespace precipice {
namespace {

// Of the noted tensor it holds no memory, but the name of the storage, so that no other storage gets it.
struct Note {
  c10::weak_intrusive_ptr<c10::StorageImpl> storage;
  const void* data;
  std::int64_t size;
  c10::VariableVersion version;
  std::uint32_t written;  // the version's then
  at::Tensor amax;
};

class Notes {
 public:
  void put(const at::Tensor& x, const at::Tensor& amax) {
    const std::lock_guard lock(mutex_);
    if (notes_.size() >= full_) {
      forget_the_gone();
      full_ = std::max<std::size_t>(64, 2 * notes_.size());
    }
    const c10::VariableVersion& version = x.unsafeGetTensorImpl()->version_counter();
    Note note{
        x.storage().getWeakStorageImpl(), x.const_data_ptr(), x.numel(), version, version.current_version(), amax};
    notes_.insert_or_assign(x.storage().unsafeGetStorageImpl(), std::move(note));
  }

  at::Tensor find(const at::Tensor& x) {
    const std::lock_guard lock(mutex_);
    const auto found = notes_.find(x.storage().unsafeGetStorageImpl());
    if (found == notes_.end()) return {};
    const Note& note = found->second;
    const bool is_same = note.data == x.const_data_ptr() && note.size == x.numel() && x.is_non_overlapping_and_dense();
    return is_same && note.version.current_version() == note.written ? note.amax : at::Tensor();
  }

  void forget(const std::vector<at::Tensor>& all) {
    const std::lock_guard lock(mutex_);
    for (const at::Tensor& x : all) notes_.erase(x.storage().unsafeGetStorageImpl());
    forget_the_gone();
  }

 private:
  void forget_the_gone() {
    std::erase_if(notes_, [](const auto& entry) { return entry.second.storage.expired(); });
  }

  std::mutex mutex_;
  std::unordered_map<const c10::StorageImpl*, Note> notes_;
  std::size_t full_ = 64;
};

Notes& notes() {
  static Notes all;
  return all;
}

}  // namespace

void note_amax(const at::Tensor& x, const at::Tensor& amax) {
  PRECIPICE_CHECK(!x.is_cpu() && x.is_contiguous() && amax.numel() == 1, "an amax of ", x.sizes(), ", strides ",
                  x.strides());
  notes().put(x, amax);
}

void note_amaxes_of(const std::vector<at::Tensor>& all) {
  if (all.empty()) return;
  std::vector<const float*> data;
  std::vector<std::int64_t> sizes;
  for (const at::Tensor& x : all) data.push_back(x.const_data_ptr<float>()), sizes.push_back(x.numel());
  const auto count = static_cast<std::int64_t>(all.size());
  const at::Tensor amaxes = at::zeros({count}, all.front().options());
  const Machine& machine = machine_of(amaxes);
  machine.amaxes({data.data(), sizes.data(), count, amaxes.mutable_data_ptr<float>()}, machine.current_stream());
  for (std::int64_t i = 0; i < count; ++i) note_amax(all[static_cast<std::size_t>(i)], amaxes.narrow(0, i, 1));
}

void forget_amaxes_of(const std::vector<at::Tensor>& all) {
  notes().forget(all);
}

at::Tensor noted_amax(const at::Tensor& x) {
  return x.is_cpu() || x.numel() == 0 ? at::Tensor() : notes().find(x);
}

AmaxOfWritten::AmaxOfWritten(const at::Tensor& x, bool wanted) {
  if (!wanted || x.is_cpu() || x.numel() == 0) return;
  x_ = x;
  amax_ = at::empty({1}, x.options());
}

float* AmaxOfWritten::room() const {
  return amax_.defined() ? amax_.mutable_data_ptr<float>() : nullptr;
}

void AmaxOfWritten::note() const {
  if (amax_.defined()) note_amax(x_, amax_);
}

}  // namespace precipice
