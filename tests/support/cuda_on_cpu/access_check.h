// SPDX-License-Identifier: Apache-2.0
// What every load and store of a kernel is checked for, to the byte: whether the place is the device's and inside an
// allocation, whether anybody wrote it before it is read, and whether another thread touched it with nothing in between
// that orders the two. What orders them: a barrier of the block, __syncwarp, the end of a launch. Blocks of a launch are
// never ordered; atomics are with each other. The rules are those of compute-sanitizer's memcheck, initcheck and
// racecheck tools. Time is a counter that every ordering event raises; a byte remembers when it was last written and
// read, and by whom. Calls come from the hooks of instrumented code (access_hooks.cpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace cuda_on_cpu {

// What is known of a byte of device or shared memory. All zeros: no allocation has it.
struct ByteRecord {
  std::uint32_t written_at, read_at;
  std::uint16_t writer, reader;  // threads of a block
  enum State : std::uint8_t { Nobodys = 0, Fresh, Written } state;
  bool atomic_write, many_readers;
};

// Who runs, and what came before it. Ticks begin at 1; a copy or memset by the host has tick 0.
struct KernelClock {
  std::uint32_t now = 1;
  std::uint32_t launch_began = 1, block_began = 1, barrier = 1;
  std::vector<std::uint32_t> warps;  // when each last met at __syncwarp
  std::uint16_t thread = 0;          // of the block
};

// What a kernel may touch beside device memory.
struct KernelMemory {
  const char *stack_begin, *stack_end;            // of the thread that runs
  const char *parameters_begin, *parameters_end;  // read only
};

enum class Access : std::uint8_t { Read, Write, Atomic };

// False where something is wrong with the access, which then was not recorded. Counts the bytes of device memory.
bool is_allowed(const char* at, std::size_t bytes, Access access, const KernelClock& clock, const KernelMemory& memory);
// What is wrong with it, after "thread 3 of block 2 ".
std::string problem_of(const char* at, std::size_t bytes, Access access, const KernelClock& clock);

}  // namespace cuda_on_cpu
