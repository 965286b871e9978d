// SPDX-License-Identifier: Apache-2.0
// The host's side of cuda_runtime.h, and control.h.
#include "tests/support/cuda_on_cpu/run_time.h"

#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <utility>

#include "tests/support/cuda_on_cpu/block_threads.h"
#include "tests/support/cuda_on_cpu/cuda_runtime.h"
#include "tests/support/cuda_on_cpu/device_memory.h"
#include "tests/support/cuda_on_cpu/example_kernels.h"
#include "tests/support/cuda_on_cpu/graphs.h"
#include "tests/support/cuda_on_cpu/streams.h"

namespace cuda_on_cpu {
namespace {

std::string problem;  // the first of the kernels
// What cudaGetErrorString says to this thread, and its last error, as CUDA has one for each.
thread_local std::string last_sentence;
thread_local cudaError_t last_error = cudaSuccess;
std::uint64_t order_seed = 0, orders = 0;

using Lock = std::lock_guard<std::recursive_mutex>;

// The error of a call that the library refuses at once.
cudaError_t refuse(cudaError_t error, const std::string& sentence) {
  last_sentence = sentence;
  return last_error = error;
}

// What a call that waits returns.
cudaError_t waited() {
  ++counters().synchronisations;
  if (!has_problem()) return cudaSuccess;
  last_sentence = take_problem();
  return cudaErrorLaunchFailure;
}

// What waits, or has host memory at one end, cannot be done later.
cudaError_t refuse_capture(Stream& stream) {
  if (captured(stream) == nullptr) return cudaSuccess;
  return refuse(cudaErrorStreamCaptureUnsupported, "operation not permitted when stream is capturing");
}

std::uint64_t mixed(std::uint64_t x) {  // splitmix64's output function
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

cudaError_t allocate(void** memory, std::size_t bytes) {
  if (device().devices == 0) return refuse(cudaErrorNoDevice, "no CUDA-capable device is detected");
  DeviceMemory::instance().set_capacity(device().memory);
  *memory = DeviceMemory::instance().allocate(bytes);
  ++counters().allocations;
  return *memory != nullptr ? cudaSuccess : refuse(cudaErrorMemoryAllocation, "out of memory");
}

void release(void* memory) {
  if (memory != nullptr && !DeviceMemory::instance().release(memory))
    report("memory is freed that is not allocated, or twice");
}

void copy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  DeviceMemory& memory = DeviceMemory::instance();
  const bool up = kind == cudaMemcpyHostToDevice, down = kind == cudaMemcpyDeviceToHost;
  std::string wrong = up ? "" : memory.problem_of_copy(from, bytes, true);
  if (wrong.empty() && !down) wrong = memory.problem_of_copy(to, bytes, false);
  if (wrong.empty() && ((up && memory.contains(from)) || (down && memory.contains(to))))
    wrong = "a copy between host and device has device memory at both ends";
  if (!wrong.empty()) return report(wrong);
  const DeviceMemory::Opened opened;
  if (bytes != 0) std::memcpy(to, from, bytes);
  if (!down) memory.mark_written(to, bytes);
  Counters& all = counters();
  if (up) {
    ++all.uploads;
    all.uploaded_bytes += bytes;
  } else if (down) {
    ++all.downloads;
    all.downloaded_bytes += bytes;
  } else {
    all.bytes_read += bytes;
    all.bytes_written += bytes;
    all.first_bytes += 2 * bytes;
  }
}

void set(void* to, int byte, std::size_t bytes) {
  const std::string wrong = DeviceMemory::instance().problem_of_copy(to, bytes, false);
  if (!wrong.empty()) return report(wrong);
  const DeviceMemory::Opened opened;
  if (bytes != 0) std::memset(to, byte, bytes);
  DeviceMemory::instance().mark_written(to, bytes);
  counters().bytes_written += bytes;
  counters().first_bytes += bytes;
}

std::uint64_t product(const dim3& size) {
  return std::uint64_t{size.x} * size.y * size.z;
}

void set_device(const Device& wanted) {
  const Lock lock(run_time_lock());
  device() = wanted;
}

void reset_counters() {
  const Lock lock(run_time_lock());
  counters() = {};
}

Counters counters_now() {
  const Lock lock(run_time_lock());
  return counters();
}

void* create_stream() {
  const Lock lock(run_time_lock());
  return Stream::create(false);
}

// The lock is held until the memory is closed.
const char* open_memory(void* stream) {
  run_time_lock().lock();
  Stream::of(static_cast<Stream*>(stream)).run();
  if (has_problem()) {
    last_sentence = take_problem();
    run_time_lock().unlock();
    return last_sentence.c_str();
  }
  DeviceMemory::instance().open();
  return nullptr;
}

void close_memory() {
  DeviceMemory::instance().close();
  run_time_lock().unlock();
}

void mark_written(const void* memory, std::size_t bytes) {
  const Lock lock(run_time_lock());
  DeviceMemory::instance().mark_written(memory, bytes);
}

bool is_written(const void* memory, std::size_t bytes) {
  const Lock lock(run_time_lock());
  return DeviceMemory::instance().problem_of_copy(memory, bytes, true).empty();
}

std::size_t memory_in_use(void* stream) {
  const Lock lock(run_time_lock());
  Stream::of(static_cast<Stream*>(stream)).run();
  return DeviceMemory::instance().in_use();
}

Stream& stream_at(void* stream) {
  return Stream::of(static_cast<Stream*>(stream));
}

void* begin_capture_there(void* stream) {
  const Lock lock(run_time_lock());
  return begin_capture(stream_at(stream));
}

void end_capture_there(void* stream) {
  const Lock lock(run_time_lock());
  end_capture(stream_at(stream));
}

void replay_there(void* graph, void* stream) {
  const Lock lock(run_time_lock());
  replay(*static_cast<Graph*>(graph), stream_at(stream));
}

void release_there(void* graph, void* stream) {
  const Lock lock(run_time_lock());
  release_graph(static_cast<Graph*>(graph), stream_at(stream));
}

bool is_captured(void* stream) {
  const Lock lock(run_time_lock());
  return captured(stream_at(stream)) != nullptr;
}

// What goes wrong comes from the next wait, as what goes wrong in a kernel.
void keep(void* stream, std::function<void()> work) {
  const Lock lock(run_time_lock());
  stream_at(stream).enqueue([own = std::move(work)] {
    try {
      own();
    } catch (const std::exception& error) {
      report(error.what());
    }
  });
}

}  // namespace

std::recursive_mutex& run_time_lock() {
  static std::recursive_mutex lock;
  return lock;
}

Device& device() {
  static Device one;
  return one;
}

void report(const std::string& sentence) {
  if (problem.empty()) problem = sentence;
}

bool has_problem() {
  return !problem.empty();
}

std::string take_problem() {
  return std::exchange(problem, {});
}

void Order::set_seed(std::uint64_t seed) {
  const Lock lock(run_time_lock());
  order_seed = seed;
  orders = 0;
}

Order::Order(std::uint64_t end) : end_(end), step_(end - 1), first_(end - 1) {
  if (order_seed == 0 || end < 2) return;
  const std::uint64_t random = mixed(order_seed * 0x9E3779B97F4A7C15u + orders++);
  first_ = random % end;
  step_ = 1 + (random >> 32) % (end - 1);
  while (std::gcd(step_, end) != 1) step_ = step_ % (end - 1) + 1;
}

// Each number below `end` once, since step and end have no divisor in common.
std::uint64_t Order::at(std::uint64_t place) const {
  return end_ == 0 ? 0 : (first_ + place * step_) % end_;
}

cudaError_t enqueue_launch(std::unique_ptr<Launch> launch, const cudaLaunchConfig_t& config) {
  const Lock lock(run_time_lock());
  if (device().devices == 0) return refuse(cudaErrorNoDevice, "no CUDA-capable device is detected");
  const std::uint64_t blocks = product(config.gridDim), threads = product(config.blockDim);
  constexpr std::uint64_t kMaxThreads = 1024, kMaxBlocks = (std::uint64_t{1} << 31) - 1;
  if (blocks == 0 || blocks > kMaxBlocks || threads == 0 || threads > kMaxThreads || config.gridDim.y > 65535 ||
      config.gridDim.z > 65535 || config.blockDim.z > 64 || config.dynamicSmemBytes != 0)
    return refuse(cudaErrorInvalidConfiguration, "invalid configuration argument");
  if (captured(Stream::of(config.stream)) == nullptr) ++counters().issued;
  launch->grid = config.gridDim;
  launch->block = config.blockDim;
  Stream::of(config.stream).enqueue([own = std::shared_ptr<Launch>(std::move(launch))] { run_launch(*own); });
  return cudaSuccess;
}

}  // namespace cuda_on_cpu

using namespace cuda_on_cpu;

const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaSuccess ? "no error" : last_sentence.c_str();
}

cudaError_t cudaGetLastError() {
  return std::exchange(last_error, cudaSuccess);
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = device().driver;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = device().devices;
  return *count > 0 ? cudaSuccess : refuse(cudaErrorNoDevice, "no CUDA-capable device is detected");
}

cudaError_t cudaGetDevice(int* number) {
  *number = 0;
  return device().devices > 0 ? cudaSuccess : refuse(cudaErrorNoDevice, "no CUDA-capable device is detected");
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int /*device*/) {
  const Device& own = device();
  *value = attribute == cudaDevAttrMultiProcessorCount      ? own.multiprocessors
           : attribute == cudaDevAttrComputeCapabilityMajor ? own.major
                                                            : own.minor;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int /*device*/) {
  std::strncpy(properties->name, "CPU in the place of a GPU", sizeof(properties->name));
  properties->totalGlobalMem = device().memory;
  properties->major = device().major;
  properties->minor = device().minor;
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  const Lock lock(run_time_lock());
  *total = device().memory;
  const std::size_t used = DeviceMemory::instance().in_use();
  *free = *total > used ? *total - used : 0;
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
  const Lock lock(run_time_lock());
  return allocate(memory, bytes);
}

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int /*device*/) {
  *pool = nullptr;
  return cudaSuccess;
}

cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t /*pool*/, cudaMemPoolAttr /*attribute*/, void* /*value*/) {
  return cudaSuccess;
}

cudaError_t cudaMallocAsync(void** memory, std::size_t bytes, cudaStream_t stream) {
  const Lock lock(run_time_lock());
  cudaError_t result = allocate(memory, bytes);
  if (result == cudaErrorMemoryAllocation) {
    Stream::of(stream).run();
    last_error = cudaSuccess;
    result = allocate(memory, bytes);
  }
  Graph* const graph = captured(Stream::of(stream));
  if (result == cudaSuccess && graph != nullptr) take_memory(*graph, *memory);
  return result;
}

cudaError_t cudaFree(void* memory) {
  const Lock lock(run_time_lock());
  Stream::run_all();
  release(memory);
  return waited();
}

cudaError_t cudaFreeAsync(void* memory, cudaStream_t stream) {
  const Lock lock(run_time_lock());
  if (!free_of_graph(memory, Stream::of(stream))) Stream::of(stream).enqueue([=] { release(memory); }, true);
  return cudaSuccess;
}

cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  const Lock lock(run_time_lock());
  Stream::of(nullptr).enqueue([=] { copy(to, from, bytes, kind); });
  Stream::of(nullptr).run();
  return waited();
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  const Lock lock(run_time_lock());
  if (kind != cudaMemcpyDeviceToDevice)
    if (const cudaError_t refused = refuse_capture(Stream::of(stream)); refused != cudaSuccess) return refused;
  Stream::of(stream).enqueue([=] { copy(to, from, bytes, kind); });
  return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void* memory, int byte, std::size_t bytes, cudaStream_t stream) {
  const Lock lock(run_time_lock());
  Stream::of(stream).enqueue([=] { set(memory, byte, bytes); });
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize() {
  const Lock lock(run_time_lock());
  Stream::run_all();
  return waited();
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  const Lock lock(run_time_lock());
  *stream = Stream::create(flags != cudaStreamNonBlocking);
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const Lock lock(run_time_lock());
  if (const cudaError_t refused = refuse_capture(Stream::of(stream)); refused != cudaSuccess) return refused;
  Stream::of(stream).run();
  return waited();
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const Lock lock(run_time_lock());
  Stream::of(stream).run();
  return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  *event = new Event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const Lock lock(run_time_lock());
  *event = Stream::of(stream).now();
  return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned /*flags*/) {
  const Lock lock(run_time_lock());
  Stream::of(stream).wait_for(*event);
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const Lock lock(run_time_lock());
  if (event->stream != nullptr) event->stream->run_until(event->work);
  return waited();
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}

const Control* cuda_on_cpu::cuda_on_cpu_control() {
  static constexpr Control kControl = {
      Order::set_seed,   set_device,   reset_counters, counters_now, run_example,   create_stream,
      open_memory,       close_memory, mark_written,   is_written,   memory_in_use, begin_capture_there,
      end_capture_there, replay_there, release_there,  is_captured,  keep};
  return &kControl;
}
