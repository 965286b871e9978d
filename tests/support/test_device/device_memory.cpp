// SPDX-License-Identifier: Apache-2.0
#include "tests/support/test_device/device_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "precision/base/check.h"

namespace precipice::test_device {
namespace {

constexpr std::size_t kPage = 4096;

std::size_t rounded_up(std::size_t bytes, std::size_t to) {
  return (bytes + to - 1) / to * to;
}

}  // namespace

DeviceMemory::DeviceMemory()
    : begin_(static_cast<char*>(mmap(nullptr, kSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))) {
  PRECIPICE_CHECK(begin_ != MAP_FAILED, "no addresses for the test device");
}

c10::DataPtr DeviceMemory::allocate(std::size_t bytes) {
  const c10::Device device(c10::DeviceType::PrivateUse1, 0);
  if (bytes == 0) return {nullptr, nullptr, &release, device};
  const std::lock_guard lock(mutex_);
  const std::size_t size = rounded_up(bytes, kAlignment), place = find_gap(size);
  PRECIPICE_CHECK(place + size <= kSize, "the test device has no ", bytes, " bytes left");
  blocks_.emplace(place, size);
  in_use_ += size;
  fresh_.emplace_back(place, size);
  const std::size_t used = std::max(used_, rounded_up(place + size, kPage));
  if (openings_ > 0) mprotect(begin_ + used_, used - used_, PROT_READ | PROT_WRITE);
  used_ = used;
  if (openings_ > 0) open(), close();
  return {begin_ + place, begin_ + place, &release, device};
}

void DeviceMemory::release(void* memory) {
  if (memory == nullptr) return;
  DeviceMemory& own = instance();
  const std::lock_guard lock(own.mutex_);
  const auto block = own.blocks_.find(static_cast<std::size_t>(static_cast<char*>(memory) - own.begin_));
  PRECIPICE_CHECK(block != own.blocks_.end(), "not an allocation of the test device");
  own.in_use_ -= block->second;
  own.blocks_.erase(block);
}

void DeviceMemory::copy_data(void* to, const void* from, std::size_t bytes) const {
  const Opened at_work;
  std::memcpy(to, from, bytes);
}

std::size_t DeviceMemory::find_gap(std::size_t bytes) const {
  std::size_t place = 0;
  for (const auto& [begin, size] : blocks_) {
    if (begin - place >= bytes) break;
    place = begin + size;
  }
  return place;
}

void DeviceMemory::open() {
  mutex_.lock();
  if (openings_++ == 0 && used_ > 0) mprotect(begin_, used_, PROT_READ | PROT_WRITE);
  for (const auto& [place, size] : fresh_) std::memset(begin_ + place, kPattern, size);
  fresh_.clear();
}

void DeviceMemory::close() {
  if (--openings_ == 0 && used_ > 0) mprotect(begin_, used_, PROT_NONE);
  mutex_.unlock();
}

}  // namespace precipice::test_device
