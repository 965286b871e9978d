// SPDX-License-Identifier: Apache-2.0
// The test device's memory: one range of addresses that is closed to the host (mprotect) unless somebody says that the
// device is at work. Fresh memory is filled with a pattern, a NaN as a float, so that a read of what nobody wrote shows.
#pragma once

#include <c10/core/Allocator.h>

#include <cstddef>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

namespace precipice::test_device {

class DeviceMemory : public c10::Allocator {
 public:
  // Outlives whatever frees memory at the end of the program.
  static DeviceMemory& instance() {
    static auto* const memory = new DeviceMemory;
    return *memory;
  }

  c10::DataPtr allocate(std::size_t bytes) override;
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override;

  bool contains(const void* address) const {
    return address >= begin_ && address < static_cast<const void*>(begin_ + kSize);
  }
  std::size_t in_use() const { return in_use_; }

  // While one lives, the device is at work, and its memory open to this process.
  class Opened {
   public:
    Opened() { instance().open(); }
    ~Opened() { instance().close(); }
    Opened(const Opened&) = delete;
    Opened& operator=(const Opened&) = delete;
  };

 private:
  static constexpr std::size_t kSize = std::size_t{1} << 32, kAlignment = 64;
  static constexpr unsigned char kPattern = 0xFF;

  DeviceMemory();
  static void release(void* memory);
  void open();
  void close();
  std::size_t find_gap(std::size_t bytes) const;

  std::recursive_mutex mutex_;
  char* begin_;
  std::map<std::size_t, std::size_t> blocks_;               // where they begin -> their bytes
  std::vector<std::pair<std::size_t, std::size_t>> fresh_;  // to be filled when the memory is opened
  std::size_t used_ = 0, in_use_ = 0;                       // used_: addresses above were never in use
  int openings_ = 0;
};

}  // namespace precipice::test_device
