// SPDX-License-Identifier: Apache-2.0
// What tests do with the CUDA run-time library that is the CPU (cuda_runtime.h), found by name after dlopen: the order
// of blocks and threads, the device that it claims to be, what was counted, and kernels with mistakes on purpose.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

namespace cuda_on_cpu {

struct Device {
  int driver = 13000;  // 0: none is installed
  int devices = 1;
  int major = 9, minor = 0;
  int multiprocessors = 3;
  std::uint64_t memory = std::uint64_t{1} << 32;  // bytes, at most as many
};

// What happened since the last reset.
struct Counters {
  std::uint64_t launches = 0, threads = 0, barriers = 0;  // barriers: of blocks
  std::uint64_t bytes_read = 0, bytes_written = 0;        // of device memory by kernels; an atomic counts as both
  // The same of the first read and the first write of a byte in a launch: what goes through caches that keep the rest.
  std::uint64_t first_bytes = 0;
  std::uint64_t uploads = 0, uploaded_bytes = 0, downloads = 0, downloaded_bytes = 0;
  std::uint64_t allocations = 0;
  std::uint64_t issued = 0, replays = 0;  // launches of kernels, and of graphs, by the host
  std::uint64_t synchronisations = 0;     // calls for which the host waits
};

struct Control {
  // 0: blocks and threads come last to first; others: in orders of their own.
  void (*set_order)(std::uint64_t seed);
  void (*set_device)(const Device& device);
  void (*reset_counters)();
  Counters (*counters)();
  // Runs one of the kernels of example_kernels.cu: null, or the sentence that it ended with. "": no such example.
  const char* (*run_example)(const char* name);

  // For code that stands in the place of work on the device, as the CPU's operations do for a test device of libtorch:
  // a stream that waits for no other;
  void* (*create_stream)();
  // the memory open to the host when all work of the stream is done, which is no wait of the host's. Null, or what went wrong
  // in the work: then the memory is closed;
  const char* (*open_memory)(void* stream);
  void (*close_memory)();
  // what the host wrote meanwhile, and whether all of what it reads was written;
  void (*mark_written)(const void* memory, std::size_t bytes);
  bool (*is_written)(const void* memory, std::size_t bytes);
  // bytes that are allocated when the stream is done.
  std::size_t (*memory_in_use)(void* stream);

  // What a stream is given from now on is kept instead of run, and done at each replay, in order, when somebody waits. What waits
  // for a stream that is captured, or copies from or to the host, is refused. For code in the place of work on the device:
  // whether it is captured, and work that is to be done at replays, with the memory open.
  void* (*begin_capture)(void* stream);
  void (*end_capture)(void* stream);
  void (*replay)(void* graph, void* stream);
  void (*release_graph)(void* graph, void* stream);
  bool (*is_captured)(void* stream);
  void (*keep)(void* stream, std::function<void()> work);
};

extern "C" __attribute__((visibility("default"))) const Control* cuda_on_cpu_control();

}  // namespace cuda_on_cpu
