// SPDX-License-Identifier: Apache-2.0
#include "tests/support/cuda_on_cpu/device_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <iterator>
#include <new>

namespace cuda_on_cpu {
namespace {

void* reserve(std::size_t bytes, int protection) {
  void* memory = mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return memory;
}

// A host access to closed memory: says so before whatever else handles the signal.
struct sigaction previous_handler;

void report_host_access(int signal, siginfo_t* info, void* /*context*/) {
  if (DeviceMemory::instance().contains(info->si_addr)) {
    constexpr char kSentence[] = "cuda_on_cpu: the host reads or writes device memory outside of a copy\n";
    [[maybe_unused]] const auto written = write(STDERR_FILENO, kSentence, sizeof(kSentence) - 1);
  }
  sigaction(signal, &previous_handler, nullptr);  // the access is tried once more
}

// Test frameworks exchange handlers between tests.
void install_handler() {
  struct sigaction current {};
  sigaction(SIGSEGV, nullptr, &current);
  if ((current.sa_flags & SA_SIGINFO) != 0 && current.sa_sigaction == report_host_access) return;
  previous_handler = current;
  struct sigaction own {};
  own.sa_sigaction = report_host_access;
  own.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaction(SIGSEGV, &own, nullptr);
}

}  // namespace

DeviceMemory::DeviceMemory()
    : begin_(static_cast<char*>(reserve(kSize, PROT_NONE))),
      records_(static_cast<ByteRecord*>(reserve(kSize * sizeof(ByteRecord), PROT_READ | PROT_WRITE))),
      page_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))) {}

void DeviceMemory::open() {
  if (openings_++ == 0) make_accessible();
}

void DeviceMemory::make_accessible() {
  mprotect(begin_, used_, PROT_READ | PROT_WRITE);
  for (const auto& [memory, bytes] : fresh_) std::memset(memory, kPoison, bytes);
  fresh_.clear();
}

void DeviceMemory::close() {
  if (--openings_ > 0) return;
  mprotect(begin_, used_, PROT_NONE);
  install_handler();
}

char* DeviceMemory::find_gap(std::size_t bytes) {
  for (const std::size_t from : {cursor_, std::size_t{0}}) {
    char* at = begin_ + from;
    for (auto next = allocations_.lower_bound(at); next != allocations_.end(); ++next) {
      if (static_cast<std::size_t>(next->first - at) >= bytes) return at;
      at = next->first + (next->second + page_) / page_ * page_ + page_;
    }
    if (static_cast<std::size_t>(at - begin_) + bytes <= kSize) return at;
  }
  return nullptr;
}

void* DeviceMemory::allocate(std::size_t bytes) {
  // One byte more than asked for has a page, so that an empty allocation has a place of its own.
  const std::size_t size = (bytes + page_) / page_ * page_ + page_;
  char* const memory = in_use_ + bytes <= capacity_ ? find_gap(size) : nullptr;
  if (memory == nullptr) return nullptr;
  allocations_[memory] = bytes;
  in_use_ += bytes;
  cursor_ = static_cast<std::size_t>(memory - begin_) + size;
  used_ = std::max(used_, cursor_);
  if (cursor_ > kWindow) cursor_ = 0;
  fresh_.emplace_back(memory, bytes);
  ByteRecord fresh{};
  fresh.state = ByteRecord::Fresh;
  std::fill_n(&record(memory), bytes, fresh);
  if (openings_ > 0) make_accessible();
  return memory;
}

bool DeviceMemory::release(void* memory) {
  const auto found = allocations_.find(static_cast<char*>(memory));
  if (found == allocations_.end()) return false;
  const auto [at, bytes] = *found;
  std::fill_n(&record(at), bytes, ByteRecord{});
  std::erase_if(fresh_, [&](const auto& one) { return one.first == memory; });
  in_use_ -= bytes;
  allocations_.erase(found);
  return true;
}

void DeviceMemory::renew(void* memory) {
  const auto& [at, bytes] = *allocations_.find(static_cast<char*>(memory));
  std::memset(at, kPoison, bytes);
  ByteRecord fresh{};
  fresh.state = ByteRecord::Fresh;
  std::fill_n(&record(at), bytes, fresh);
}

void DeviceMemory::retire(void* memory) {
  const auto& [at, bytes] = *allocations_.find(static_cast<char*>(memory));
  std::fill_n(&record(at), bytes, ByteRecord{});
}

std::string DeviceMemory::place_of(const char* address) const {
  const auto above = allocations_.upper_bound(const_cast<char*>(address));
  if (above == allocations_.begin()) return "where nothing is allocated";
  const auto& [at, bytes] = *std::prev(above);
  const auto offset = static_cast<std::size_t>(address - at);
  if (offset < bytes) return "at byte " + std::to_string(offset) + " of " + std::to_string(bytes);
  if (offset - bytes > 2 * page_) return "where nothing is allocated, or no longer";
  return std::to_string(offset - bytes) + " bytes behind the end of an allocation of " + std::to_string(bytes);
}

std::string DeviceMemory::problem_of_copy(const void* memory, std::size_t bytes, bool reads) const {
  if (bytes == 0) return "";
  const auto* at = static_cast<const char*>(memory);
  if (!contains(at)) return "a copy between host and device has no device memory at its device end";
  for (std::size_t i = 0; i < bytes; ++i) {
    const ByteRecord& byte = records_[at - begin_ + static_cast<std::ptrdiff_t>(i)];
    if (byte.state == ByteRecord::Nobodys)
      return "a copy of " + std::to_string(bytes) + " bytes goes on " + place_of(at + i);
    if (reads && byte.state == ByteRecord::Fresh) return "a copy reads what nobody wrote, " + place_of(at + i);
  }
  return "";
}

void DeviceMemory::mark_written(const void* memory, std::size_t bytes) {
  ByteRecord written{};
  written.state = ByteRecord::Written;
  std::fill_n(&record(static_cast<const char*>(memory)), bytes, written);
}

}  // namespace cuda_on_cpu
