// SPDX-License-Identifier: Apache-2.0
#include "tests/support/cuda_on_cpu/access_check.h"

#include <algorithm>
#include <cstring>

#include "tests/support/cuda_on_cpu/control.h"
#include "tests/support/cuda_on_cpu/device_memory.h"
#include "tests/support/cuda_on_cpu/run_time.h"

// Set by the linker: this library in memory, and where its variables without initial values lie, which __shared__ ones
// are.
extern "C" {
__attribute__((visibility("hidden"))) extern const char __ehdr_start[], __bss_start[], _end[];
}

namespace cuda_on_cpu {
namespace {

constexpr unsigned kWarp = 32;

// Records of this library's variables. The first byte of a page may be another's: a few bytes too many do no harm.
ByteRecord& shared_record(const char* at) {
  static auto* const records = new std::vector<ByteRecord>(static_cast<std::size_t>(_end - __bss_start));
  return (*records)[static_cast<std::size_t>(at - __bss_start)];
}

// Whether what happened at tick `then` came before what the thread of the clock does now.
bool is_ordered(std::uint32_t then, std::uint16_t who, bool by_many, const KernelClock& clock) {
  if (then < clock.launch_began) return true;
  if (then < clock.block_began) return false;  // in another block
  if (then < clock.barrier) return true;
  if (by_many) return false;
  if (who == clock.thread) return true;
  const unsigned warp = clock.thread / kWarp;
  return who / kWarp == warp && then < clock.warps[warp];
}

bool follows_write(const ByteRecord& byte, Access access, const KernelClock& clock) {
  const bool both_atomic = access == Access::Atomic && byte.atomic_write;
  return both_atomic || is_ordered(byte.written_at, byte.writer, false, clock);
}
bool follows_read(const ByteRecord& byte, const KernelClock& clock) {
  return is_ordered(byte.read_at, byte.reader, byte.many_readers, clock);
}

// Of one byte, which `has_value` where it was written.
bool record_access(ByteRecord& byte, bool has_value, Access access, const KernelClock& clock) {
  if (!follows_write(byte, access, clock)) return false;
  if (access == Access::Read) {
    if (!has_value) return false;
    byte.many_readers = !follows_read(byte, clock);
    byte.read_at = clock.now;
    byte.reader = clock.thread;
    return true;
  }
  if ((access == Access::Atomic && !has_value) || !follows_read(byte, clock)) return false;
  byte.state = ByteRecord::Written;
  byte.atomic_write = access == Access::Atomic;
  byte.written_at = clock.now;
  byte.writer = clock.thread;
  return true;
}

bool is_allowed_on_device(const char* at, std::size_t bytes, Access access, const KernelClock& clock) {
  DeviceMemory& memory = DeviceMemory::instance();
  if (!memory.contains(at + bytes - 1)) return false;
  ByteRecord* const records = &memory.record(at);
  const auto is_allowed_at = [&](ByteRecord& byte) {
    return byte.state != ByteRecord::Nobodys && record_access(byte, byte.state == ByteRecord::Written, access, clock);
  };
  const bool is_first_write = records->written_at < clock.launch_began,
             is_first_read = is_first_write && records->read_at < clock.launch_began;
  // Numbers are mostly touched as wholes: what is known of their bytes is the same then.
  if (std::memcmp(records, records + 1, (bytes - 1) * sizeof(ByteRecord)) == 0) {
    if (!is_allowed_at(records[0])) return false;
    std::fill_n(records + 1, bytes - 1, records[0]);
  } else if (!std::all_of(records, records + bytes, is_allowed_at)) {
    return false;
  }
  if (access != Access::Write) counters().bytes_read += bytes;
  if (access != Access::Read) counters().bytes_written += bytes;
  if (access != Access::Write && is_first_read) counters().first_bytes += bytes;
  if (access != Access::Read && is_first_write) counters().first_bytes += bytes;
  return true;
}

// Its contents do not outlive the block.
bool is_in_block(const ByteRecord& byte, const KernelClock& clock) {
  return byte.written_at >= clock.block_began;
}

bool is_allowed_in_block(const char* at, std::size_t bytes, Access access, const KernelClock& clock) {
  for (std::size_t i = 0; i < bytes; ++i) {
    ByteRecord& byte = shared_record(at + i);
    if (!is_in_block(byte, clock)) byte = ByteRecord{};
    if (!record_access(byte, is_in_block(byte, clock), access, clock)) return false;
  }
  return true;
}

bool lies_in(const char* at, std::size_t bytes, const char* begin, const char* end) {
  return at >= begin && at + bytes <= end;
}

// Empty, or who is in the way.
std::string race_of(const ByteRecord& byte, bool has_value, Access access, const KernelClock& clock) {
  const auto who = [&](std::uint32_t then, std::uint16_t thread, bool many) {
    if (then < clock.block_began) return std::string("another block");
    return many ? std::string("other threads") : "thread " + std::to_string(thread);
  };
  constexpr const char* kRest = " with no barrier in between";
  if (!has_value && access != Access::Write) return ", which nobody wrote";
  if (!follows_write(byte, access, clock))
    return ", which " + who(byte.written_at, byte.writer, false) + " wrote" + kRest;
  if (access != Access::Read && !follows_read(byte, clock))
    return ", which " + who(byte.read_at, byte.reader, byte.many_readers) + " read" + kRest;
  return "";
}

}  // namespace

bool is_allowed(const char* at, std::size_t bytes, Access access, const KernelClock& clock,
                const KernelMemory& memory) {
  if (DeviceMemory::instance().contains(at)) return is_allowed_on_device(at, bytes, access, clock);
  if (lies_in(at, bytes, memory.stack_begin, memory.stack_end)) return true;
  if (lies_in(at, bytes, __bss_start, _end)) return is_allowed_in_block(at, bytes, access, clock);
  // Parameters and constants.
  return access == Access::Read &&
         (lies_in(at, bytes, memory.parameters_begin, memory.parameters_end) || lies_in(at, bytes, __ehdr_start, _end));
}

std::string problem_of(const char* at, std::size_t bytes, Access access, const KernelClock& clock) {
  DeviceMemory& memory = DeviceMemory::instance();
  const char* verb = access == Access::Read ? "reads " : access == Access::Write ? "writes " : "updates ";
  const std::string what = verb + std::to_string(bytes) + " bytes of ";
  const bool on_device = memory.contains(at), in_block = lies_in(at, bytes, __bss_start, _end);
  for (std::size_t i = 0; i < bytes && (on_device || in_block); ++i) {
    if (on_device && (!memory.contains(at + i) || memory.record(at + i).state == ByteRecord::Nobodys))
      return what + "device memory " + memory.place_of(at + i);
    const ByteRecord& byte = on_device ? memory.record(at + i) : shared_record(at + i);
    const bool has_value = on_device ? byte.state == ByteRecord::Written : is_in_block(byte, clock);
    const std::string race = race_of(byte, has_value, access, clock);
    if (race.empty()) continue;
    return what + (on_device ? "device memory " + memory.place_of(at) : std::string("shared memory")) + race;
  }
  return what + "host memory";
}

}  // namespace cuda_on_cpu
