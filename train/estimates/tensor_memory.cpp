// SPDX-License-Identifier: Apache-2.0
#include "train/estimates/tensor_memory.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <map>
#include <mutex>
#include <new>

namespace precipice {
namespace {

// Tensors start at multiples of this, after one unit that holds their size.
constexpr std::size_t kUnit = 64;

// What may wait beyond the most that ever was in use: sizes that take turns need it.
constexpr std::size_t kSlack = std::size_t{1} << 28;

class RecyclingAllocator : public c10::Allocator {
 public:
  static RecyclingAllocator& instance() {
    // Never destroyed: tensors may outlive every other object.
    static auto* const allocator = new RecyclingAllocator;
    return *allocator;
  }

  c10::DataPtr allocate(std::size_t bytes) override {
    if (bytes == 0) return {nullptr, nullptr, &give_back, c10::DeviceType::CPU};
    void* data = take((bytes + kUnit - 1) / kUnit * kUnit);
    return {data, data, &give_back, c10::DeviceType::CPU};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override { std::memcpy(to, from, bytes); }

  void release() {
    const std::lock_guard<std::mutex> lock(mutex_);
    while (!kept_.empty()) release_largest();
  }

  TensorMemory sizes() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return sizes_;
  }

 private:
  void* take(std::size_t size) {
    const std::lock_guard<std::mutex> lock(mutex_);
    Block block;
    const auto fitting = kept_.lower_bound(size);
    if (fitting != kept_.end() && fitting->first <= size + size / 4) {
      block = {fitting->second, fitting->first};
      kept_.erase(fitting);
      sizes_.kept -= block.size;
    } else {
      most_ = std::max(most_, sizes_.in_use + size);
      while (!kept_.empty() && sizes_.in_use + sizes_.kept + size > most_ + std::max(most_ / 8, kSlack))
        release_largest();
      block = {obtain(size), size};
    }
    sizes_.in_use += block.size;
    most_ = std::max(most_, sizes_.in_use);
    std::memcpy(block.memory, &block.size, sizeof block.size);
    return static_cast<char*>(block.memory) + kUnit;
  }

  static void give_back(void* data) {
    if (data == nullptr) return;
    Block block{static_cast<char*>(data) - kUnit, 0};
    std::memcpy(&block.size, block.memory, sizeof block.size);
    RecyclingAllocator& self = instance();
    const std::lock_guard<std::mutex> lock(self.mutex_);
    // Before its equals: what was used last is taken first, being the likeliest to be in a cache.
    self.kept_.emplace_hint(self.kept_.lower_bound(block.size), block.size, block.memory);
    self.sizes_.in_use -= block.size;
    self.sizes_.kept += block.size;
  }

  struct Block {
    void* memory = nullptr;  // its size, then the tensor's elements
    std::size_t size = 0;    // of the elements
  };

  // Large blocks come from the system, so that giving them back leaves no holes in a heap.
  static bool is_large(std::size_t size) { return size >= std::size_t{1} << 18; }

  static void* obtain(std::size_t size) {
    void* memory = is_large(size)
                       ? mmap(nullptr, size + kUnit, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                       : std::aligned_alloc(kUnit, size + kUnit);
    if (memory == nullptr || memory == MAP_FAILED) throw std::bad_alloc();
    return memory;
  }

  void release_largest() {
    const auto largest = std::prev(kept_.end());
    if (is_large(largest->first))
      munmap(largest->second, largest->first + kUnit);
    else
      std::free(largest->second);
    sizes_.kept -= largest->first;
    kept_.erase(largest);
  }

  std::mutex mutex_;
  std::multimap<std::size_t, void*> kept_;
  TensorMemory sizes_;
  std::size_t most_ = 0;  // bytes in use at once, ever
};

}  // namespace

void recycle_tensor_memory() {
  c10::SetCPUAllocator(&RecyclingAllocator::instance(), /*priority=*/1);
}

void release_tensor_memory() {
  RecyclingAllocator::instance().release();
}

TensorMemory tensor_memory() {
  return RecyclingAllocator::instance().sizes();
}

}  // namespace precipice
