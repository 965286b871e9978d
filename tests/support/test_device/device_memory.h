// SPDX-License-Identifier: Apache-2.0
// The test device's memory and streams: those of the CUDA run-time library that is the CPU (tests/support/cuda_on_cpu).
// Memory is closed to the host, is there and given back in the order of the stream's work, as a GPU's caching allocator has
// it, and every byte knows whether it was written.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Allocator.h>
#include <c10/core/Stream.h>

#include <cstddef>
#include <functional>

#include "precision/quantize/machine.h"

namespace precipice::test_device {

// That on which this thread queues at present: the default one, number 0, until it takes another. Nothing runs before somebody
// waits, and no stream waits for another.
Stream stream();
const StepGraphs& step_graphs();  // of it
c10::StreamId stream_number();
c10::StreamId exchange_stream(c10::StreamId number);  // gives the one before
c10::StreamId stream_of_pool();                       // 1 to 32, one after the other, as CUDA's pool

class DeviceMemory : public c10::Allocator {
 public:
  static DeviceMemory& instance();

  c10::DataPtr allocate(std::size_t bytes) override;
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override;

  // When all that this thread's stream has queued is done.
  std::size_t in_use() const;

  // Whether this thread's stream is captured: then `work` is for the graph, and not done now.
  static bool is_captured();
  static void keep(std::function<void()> work);

  // While one lives, what this thread's stream had queued is done, and the memory open to this thread: for operations of the CPU's in the place
  // of kernels, before which nobody waits on a GPU. Throws what went wrong in the kernels.
  class Opened {
   public:
    Opened();
    ~Opened();
    Opened(const Opened&) = delete;
    Opened& operator=(const Opened&) = delete;
  };

 private:
  static void release(void* memory);
};

// Of what was written, and is read, while the memory was open: the numbers of an array of the device, which may have gaps.
struct Numbers {
  const void* memory;
  c10::IntArrayRef sizes, strides;
  std::size_t bytes;  // of a number
};
void mark_written(const Numbers& numbers);
bool are_written(const Numbers& numbers);
Numbers numbers_of(const at::Tensor& x);

}  // namespace precipice::test_device
