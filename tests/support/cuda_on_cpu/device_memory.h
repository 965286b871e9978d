// SPDX-License-Identifier: Apache-2.0
// Device memory as a range of addresses that the host cannot touch: closed by mprotect but while kernels and copies
// run. Allocations are whole pages with an empty one behind each, filled with kPoison; a freed one comes into use again
// when kWindow bytes of others were. Every byte has a ByteRecord beside it. Not for two threads at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/cuda_on_cpu/access_check.h"

namespace cuda_on_cpu {

inline constexpr unsigned char kPoison = 0xA5;

class DeviceMemory {
 public:
  // Outlives whatever frees memory at the end of the program.
  static DeviceMemory& instance() {
    static auto* const memory = new DeviceMemory;
    return *memory;
  }

  // Null: all that there is, is in use.
  void* allocate(std::size_t bytes);
  // False: no allocation begins there.
  bool release(void* memory);
  // Of an allocation that stays: as if it had just been allocated, or was released. While the memory is open.
  void renew(void* memory);
  void retire(void* memory);
  std::size_t in_use() const { return in_use_; }
  void set_capacity(std::size_t bytes) { capacity_ = bytes < kSize ? bytes : kSize; }
  std::size_t capacity() const { return capacity_; }

  bool contains(const void* address) const {
    const auto* at = static_cast<const char*>(address);
    return at >= begin_ && at < begin_ + kSize;
  }
  ByteRecord& record(const char* at) { return records_[at - begin_]; }
  // Where the address lies, after "device memory": "" or "20 bytes behind an allocation of 16384 bytes".
  std::string place_of(const char* address) const;

  // Empty, or why the host may not copy from or to these bytes: they must lie in one allocation, and be written before
  // they are read.
  std::string problem_of_copy(const void* memory, std::size_t bytes, bool reads) const;
  void mark_written(const void* memory, std::size_t bytes);

  // Open in between; may be nested.
  void open();
  void close();
  class Opened {
   public:
    Opened() { instance().open(); }
    ~Opened() { instance().close(); }
    Opened(const Opened&) = delete;
    Opened& operator=(const Opened&) = delete;
  };

 private:
  static constexpr std::size_t kSize = std::size_t{1} << 32;
  // As few as serve: what is opened and closed again and again, and has its pages, is small.
  static constexpr std::size_t kWindow = std::size_t{1} << 22;

  DeviceMemory();
  void make_accessible();
  char* find_gap(std::size_t bytes);

  char* begin_;
  ByteRecord* records_;
  std::size_t page_, used_ = 0, in_use_ = 0, capacity_ = kSize;  // used_: addresses above were never in use
  std::size_t cursor_ = 0;                                       // where the last allocation ended
  std::map<char*, std::size_t> allocations_;                     // their bytes
  std::vector<std::pair<char*, std::size_t>> fresh_;             // to be poisoned when the memory is opened
  int openings_ = 0;
};

}  // namespace cuda_on_cpu
