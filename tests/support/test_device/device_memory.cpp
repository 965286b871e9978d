// SPDX-License-Identifier: Apache-2.0
#include "tests/support/test_device/device_memory.h"

#include <c10/util/Exception.h>

#include <array>
#include <atomic>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "precision/base/check.h"
#include "precision/quantize/cuda_machine.h"
#include "tests/cuda/kernels_under_test.h"

namespace precipice::test_device {
namespace {

const CudaMemory& library_memory() {
  return *test::on_cpu().library.cuda.memory;
}
const cuda_on_cpu::Control& library_control() {
  return *test::on_cpu().control;
}

// use(first byte, bytes) of every stretch of numbers side by side, from axis `axis` on; false where one of them is.
template <class Use>
bool for_stretches(const Numbers& numbers, std::size_t axis, const char* first, const Use& use) {
  std::int64_t count = 1;
  bool side_by_side = true;
  for (std::size_t d = numbers.sizes.size(); d-- > axis;) {
    side_by_side = side_by_side && (numbers.sizes[d] == 1 || numbers.strides[d] == count);
    count *= numbers.sizes[d];
  }
  if (count == 0) return true;
  if (side_by_side) return use(first, static_cast<std::size_t>(count) * numbers.bytes);
  const std::int64_t step = numbers.strides[axis] * static_cast<std::int64_t>(numbers.bytes);
  for (std::int64_t i = 0; i < numbers.sizes[axis]; ++i)
    if (!for_stretches(numbers, axis + 1, first + i * step, use)) return false;
  return true;
}

template <class Use>
bool for_stretches(const Numbers& numbers, const Use& use) {
  return for_stretches(numbers, 0, static_cast<const char*>(numbers.memory), use);
}

}  // namespace

namespace {

constexpr c10::StreamId kPool = 32;
thread_local c10::StreamId number_of_thread = 0;

// Of the library; made when they are first asked for.
Stream stream_numbered(c10::StreamId number) {
  static std::mutex mutex;
  static std::array<Stream, kPool + 1> all{};
  const std::lock_guard lock(mutex);
  Stream& one = all.at(static_cast<std::size_t>(number));
  if (one == nullptr) one = library_control().create_stream();
  return one;
}

// By its address, the stream for which memory was allocated: it goes back there, whoever is the last to hold it.
class StreamsOfMemory {
 public:
  static StreamsOfMemory& instance() {
    static auto* const all = new StreamsOfMemory;
    return *all;
  }
  void add(void* memory, Stream own) {
    const std::lock_guard lock(mutex_);
    all_[memory] = own;
  }
  Stream take(void* memory) {
    const std::lock_guard lock(mutex_);
    const auto found = all_.find(memory);
    PRECIPICE_CHECK(found != all_.end(), "memory goes back that was not allocated");
    const Stream own = found->second;
    all_.erase(found);
    return own;
  }

 private:
  std::mutex mutex_;
  std::unordered_map<void*, Stream> all_;
};

}  // namespace

Stream stream() {
  return stream_numbered(number_of_thread);
}
namespace {

thread_local void* under_way = nullptr;

void begin_graph() {
  under_way = library_control().begin_capture(stream());
}
void* end_graph() {
  library_control().end_capture(stream());
  return std::exchange(under_way, nullptr);
}
void release_graph(void* graph) {
  library_control().release_graph(graph, stream());
}
void abandon_graph() {
  release_graph(end_graph());
}
void replay_graph(void* graph) {
  library_control().replay(graph, stream());
}

}  // namespace

const StepGraphs& step_graphs() {
  static constexpr StepGraphs kGraphs{begin_graph, end_graph, abandon_graph, replay_graph, release_graph};
  return kGraphs;
}
c10::StreamId stream_number() {
  return number_of_thread;
}
c10::StreamId exchange_stream(c10::StreamId number) {
  return std::exchange(number_of_thread, number);
}
c10::StreamId stream_of_pool() {
  static std::atomic<c10::StreamId> taken{0};
  return 1 + taken++ % kPool;
}

// Outlives whatever frees memory at the end of the program.
DeviceMemory& DeviceMemory::instance() {
  static auto* const memory = new DeviceMemory;
  return *memory;
}

c10::DataPtr DeviceMemory::allocate(std::size_t bytes) {
  const c10::Device device(c10::DeviceType::PrivateUse1, 0);
  void* memory = nullptr;
  const Stream own = stream();
  const char* const reason = bytes > 0 ? library_memory().allocate(bytes, own, &memory) : nullptr;
  // As libtorch's allocator for GPUs says it.
  TORCH_CHECK_WITH(OutOfMemoryError, reason == nullptr, "CUDA out of memory. Tried to allocate ", bytes,
                   " bytes: ", reason);
  if (bytes > 0) StreamsOfMemory::instance().add(memory, own);
  return {memory, memory, &release, device};
}

void DeviceMemory::release(void* memory) {
  if (memory != nullptr) require_queued(library_memory().release(memory, StreamsOfMemory::instance().take(memory)));
}

void DeviceMemory::copy_data(void* to, const void* from, std::size_t bytes) const {
  require_queued(library_memory().copy(to, from, bytes, stream()));
}

std::size_t DeviceMemory::in_use() const {
  return library_control().memory_in_use(stream());
}

bool DeviceMemory::is_captured() {
  return library_control().is_captured(stream());
}

void DeviceMemory::keep(std::function<void()> work) {
  library_control().keep(stream(), std::move(work));
}

DeviceMemory::Opened::Opened() {
  require_queued(library_control().open_memory(stream()));
}
DeviceMemory::Opened::~Opened() {
  library_control().close_memory();
}

void mark_written(const Numbers& numbers) {
  for_stretches(numbers, [](const char* first, std::size_t bytes) {
    library_control().mark_written(first, bytes);
    return true;
  });
}

bool are_written(const Numbers& numbers) {
  return for_stretches(numbers,
                       [](const char* first, std::size_t bytes) { return library_control().is_written(first, bytes); });
}

Numbers numbers_of(const at::Tensor& x) {
  return {x.numel() == 0 ? nullptr : x.const_data_ptr(), x.sizes(), x.strides(),
          static_cast<std::size_t>(x.element_size())};
}

}  // namespace precipice::test_device
