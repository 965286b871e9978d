// SPDX-License-Identifier: Apache-2.0
// CUDA's run-time interface on the CPU, as much of it as this tree's kernels use: with this folder on the include path
// the .cu files that nvcc compiles are compiled by g++ and run without a GPU. Names, arguments and meanings are those of
// NVIDIA's CUDA Runtime API and C++ Programming Guide (13.0). What differs is made to show mistakes:
//   a stream runs nothing before somebody waits for it                                    streams.h
//   device memory is closed to the host outside of kernels and copies; fresh memory is poisoned   device_memory.h
//   every load and store of a kernel is looked at: bounds, poison, races                  access_check.h
//   blocks, threads and lanes come in an order that a seed chooses                        block_threads.h
// A mistake ends the launch and comes back, as a sentence, from the next call that waits. `control.h` is for tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <source_location>
#include <string_view>
#include <tuple>
#include <utility>

#define CUDART_VERSION 13000
#define __CUDA_ARCH__ 900
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __grid_constant__
// Blocks run one after another, so that one array serves them all; access_check.h forgets its contents in between.
#define __shared__ static

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorNoDevice = 100,
  cudaErrorLaunchFailure = 719,
  cudaErrorStreamCaptureUnsupported = 900
};
enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2, cudaMemcpyDeviceToDevice = 3 };
enum cudaDeviceAttr {
  cudaDevAttrMultiProcessorCount = 16,
  cudaDevAttrComputeCapabilityMajor = 75,
  cudaDevAttrComputeCapabilityMinor = 76
};
enum cudaMemPoolAttr { cudaMemPoolAttrReleaseThreshold = 4 };
inline constexpr unsigned cudaStreamDefault = 0, cudaStreamNonBlocking = 1;

struct uint3 {
  unsigned x, y, z;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned width = 1, unsigned height = 1, unsigned depth = 1) : x(width), y(height), z(depth) {}
};

namespace cuda_on_cpu {
class Stream;
struct Event;
struct Pool;
}  // namespace cuda_on_cpu
using cudaStream_t = cuda_on_cpu::Stream*;  // null: the default stream, which waits for all that block on it
using cudaEvent_t = cuda_on_cpu::Event*;
using cudaMemPool_t = cuda_on_cpu::Pool*;  // there is one, which keeps nothing

struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  std::size_t dynamicSmemBytes = 0;  // must be 0 here
  cudaStream_t stream = nullptr;
};
struct cudaDeviceProp {
  char name[256];
  std::size_t totalGlobalMem;
  int major, minor;
};

// --- Host. The first error of a kernel is what the next call that waits returns. ---
const char* cudaGetErrorString(cudaError_t error);
cudaError_t cudaGetLastError();
cudaError_t cudaDriverGetVersion(int* version);
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaGetDevice(int* device);
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total);

cudaError_t cudaMalloc(void** memory, std::size_t bytes);
cudaError_t cudaFree(void* memory);
cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int device);
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value);
// Memory that was freed on the stream before is used again where there is no other.
cudaError_t cudaMallocAsync(void** memory, std::size_t bytes, cudaStream_t stream);
cudaError_t cudaFreeAsync(void* memory, cudaStream_t stream);
cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind);
// Host memory is read or written when the copy runs: it must stay until somebody has waited.
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaMemsetAsync(void* memory, int byte, std::size_t bytes, cudaStream_t stream);

cudaError_t cudaDeviceSynchronize();
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaEventCreate(cudaEvent_t* event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags = 0);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventDestroy(cudaEvent_t event);

namespace cuda_on_cpu {

// A kernel with its parameters, of which every thread gets copies.
struct Launch {
  virtual ~Launch() = default;
  virtual void run_thread() const = 0;

  dim3 grid, block;
  std::string_view name;  // of a function: never freed
  std::size_t bytes = 0;  // of the whole object: a kernel may read its parameters
};

template <class... Parameters>
struct LaunchOf final : Launch {
  using Kernel = void (*)(Parameters...);
  template <class... Arguments>
  explicit LaunchOf(Kernel function, Arguments&&... arguments)
      : kernel(function), parameters(std::forward<Arguments>(arguments)...) {
    bytes = sizeof(*this);
  }
  void run_thread() const override { std::apply(kernel, parameters); }

  Kernel kernel;
  std::tuple<Parameters...> parameters;
};

cudaError_t enqueue_launch(std::unique_ptr<Launch> launch, const cudaLaunchConfig_t& config);

// Of up to 8 bytes, as one access that no other comes between.
std::uint64_t atomic_load(const void* from, std::size_t bytes);
void atomic_store(void* to, std::uint64_t value, std::size_t bytes);

void meet_block(const std::source_location& at);

// What the lanes of a warp brought to a call, by lane, and which lanes of the mask are there.
struct WarpValues {
  std::uint64_t value[32];
  unsigned lanes;
};
// `orders_memory`: __syncwarp alone.
WarpValues meet_warp(unsigned mask, std::uint64_t value, bool orders_memory, const std::source_location& at);
unsigned lane_index();

template <class T>
std::uint64_t to_bits(T value) {
  static_assert(sizeof(T) <= sizeof(std::uint64_t));
  std::uint64_t bits = 0;
  __builtin_memcpy(&bits, &value, sizeof(T));
  return bits;
}
template <class T>
T from_bits(std::uint64_t bits) {
  T value;
  __builtin_memcpy(&value, &bits, sizeof(T));
  return value;
}

template <class T, class Next>
T update_atomically(T* at, Next next) {
  const T old = from_bits<T>(atomic_load(at, sizeof(T)));
  atomic_store(at, to_bits<T>(next(old)), sizeof(T));
  return old;
}

// The value of lane `source`, or one's own where that lane is outside the group of `width` lanes.
template <class T>
T shuffle(unsigned mask, T value, int source, int width, const std::source_location& at) {
  const WarpValues all = meet_warp(mask, to_bits(value), false, at);
  const int own = static_cast<int>(lane_index()), first = own / width * width;
  const bool inside = source >= first && source < first + width;
  return from_bits<T>(all.value[inside ? source : own]);
}

}  // namespace cuda_on_cpu

// With the name of its template arguments, which are the kernel's parameters, as the kernel's name.
template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments&&... arguments) {
  auto launch = std::make_unique<cuda_on_cpu::LaunchOf<Parameters...>>(kernel, std::forward<Arguments>(arguments)...);
  launch->name = __PRETTY_FUNCTION__;
  return cuda_on_cpu::enqueue_launch(std::move(launch), *config);
}

// --- Device. ---
// Of the thread that runs.
extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;

// Threads of other blocks are ordered by kernels' ends alone, and atomics by nothing: what a fence promises beside an atomic
// number is not modelled, and whoever needs it reads by atomics.
inline void __threadfence() {}

inline void __syncthreads(const std::source_location& at = std::source_location::current()) {
  cuda_on_cpu::meet_block(at);
}
inline void __syncwarp(unsigned mask = ~0u, const std::source_location& at = std::source_location::current()) {
  cuda_on_cpu::meet_warp(mask, 0, true, at);
}

template <class T>
T atomicAdd(T* at, T value) {
  return cuda_on_cpu::update_atomically(at, [&](T old) { return static_cast<T>(old + value); });
}
template <class T>
T atomicMax(T* at, T value) {
  return cuda_on_cpu::update_atomically(at, [&](T old) { return value > old ? value : old; });
}
template <class T>
T atomicMin(T* at, T value) {
  return cuda_on_cpu::update_atomically(at, [&](T old) { return value < old ? value : old; });
}
template <class T>
T atomicOr(T* at, T value) {
  return cuda_on_cpu::update_atomically(at, [&](T old) { return static_cast<T>(old | value); });
}
template <class T>
T atomicExch(T* at, T value) {
  return cuda_on_cpu::update_atomically(at, [&](T) { return value; });
}
template <class T>
T atomicCAS(T* at, T expected, T value) {
  return cuda_on_cpu::update_atomically(at, [&](T old) { return old == expected ? value : old; });
}

template <class T>
T __shfl_sync(unsigned mask, T value, int lane, int width = 32,
              const std::source_location& at = std::source_location::current()) {
  const int own = static_cast<int>(cuda_on_cpu::lane_index());
  return cuda_on_cpu::shuffle(mask, value, own / width * width + lane % width, width, at);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned lanes, int width = 32,
                 const std::source_location& at = std::source_location::current()) {
  const int own = static_cast<int>(cuda_on_cpu::lane_index());
  return cuda_on_cpu::shuffle(mask, value, own - static_cast<int>(lanes), width, at);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned lanes, int width = 32,
                   const std::source_location& at = std::source_location::current()) {
  const int own = static_cast<int>(cuda_on_cpu::lane_index());
  return cuda_on_cpu::shuffle(mask, value, own + static_cast<int>(lanes), width, at);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32,
                  const std::source_location& at = std::source_location::current()) {
  const int own = static_cast<int>(cuda_on_cpu::lane_index());
  return cuda_on_cpu::shuffle(mask, value, own ^ lanes, width, at);
}
inline unsigned __ballot_sync(unsigned mask, int predicate,
                              const std::source_location& at = std::source_location::current()) {
  const cuda_on_cpu::WarpValues all = cuda_on_cpu::meet_warp(mask, predicate != 0, false, at);
  unsigned votes = 0;
  for (unsigned lane = 0; lane < 32; ++lane) votes |= (all.lanes >> lane & 1u & (all.value[lane] != 0)) << lane;
  return votes;
}
inline int __any_sync(unsigned mask, int predicate, const std::source_location& at = std::source_location::current()) {
  return __ballot_sync(mask, predicate, at) != 0;
}
inline int __all_sync(unsigned mask, int predicate, const std::source_location& at = std::source_location::current()) {
  return __ballot_sync(mask, predicate == 0, at) == 0;
}
