// SPDX-License-Identifier: Apache-2.0
// The device side of launch.h: kernels around bodies, the shape of a launch, device memory. Nothing here waits for the
// device but download(). CUDA's errors are thrown; the C interface returns them as reasons (cuda_kernels.h).
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <stdexcept>
#include <string>
#include <unordered_map>

#include "precision/base/host_device.h"
#include "precision/cuda/largest.h"
#include "precision/cuda/launch.h"

namespace precipice {

inline void check_cuda(cudaError_t status) {
  if (status == cudaSuccess) return;
  const std::string reason = cudaGetErrorString(status);
  static_cast<void>(cudaGetLastError());  // said once: the next launch asks for its own
  throw std::runtime_error(reason);
}

inline cudaStream_t stream_of(const Launch& launch) {
  return static_cast<cudaStream_t>(launch.stream);
}

// Callable from host+device bodies; only the device has something to do.
struct DeviceAtomics {
  PRECIPICE_HD static void add([[maybe_unused]] std::uint64_t& to, [[maybe_unused]] std::uint64_t value) {
#if defined(__CUDA_ARCH__)
    atomicAdd(reinterpret_cast<unsigned long long*>(&to), static_cast<unsigned long long>(value));
#endif
  }
  PRECIPICE_HD static void raise([[maybe_unused]] std::int64_t& to, [[maybe_unused]] std::int64_t value) {
#if defined(__CUDA_ARCH__)
    atomicMax(reinterpret_cast<long long*>(&to), static_cast<long long>(value));
#endif
  }
  PRECIPICE_HD static void raise([[maybe_unused]] std::uint32_t& to, [[maybe_unused]] std::uint32_t value) {
#if defined(__CUDA_ARCH__)
    atomicMax(&to, value);
#endif
  }
  // What is there, and 0 in its place.
  template <class Integer>
  PRECIPICE_HD static Integer take([[maybe_unused]] Integer& from) {
    static_assert(sizeof(Integer) == sizeof(unsigned long long));
#if defined(__CUDA_ARCH__)
    return static_cast<Integer>(atomicExch(reinterpret_cast<unsigned long long*>(&from), 0ull));
#else
    return 0;
#endif
  }
};

__device__ inline ThreadPosition this_thread() {
  return thread_position(static_cast<int>(blockIdx.x), static_cast<int>(gridDim.x), static_cast<int>(threadIdx.x),
                         static_cast<int>(blockDim.x));
}

template <class Body>
__global__ void each_thread(const __grid_constant__ Body body) {
  body.template run<DeviceAtomics>(this_thread());
}

// By one thread of each block, when what the block has is in `sums`.
template <class Body>
__device__ void finish_last(const Body& body) {
  __threadfence();
  if (atomicAdd(&body.sums->blocks_done, 1ull) + 1 != gridDim.x) return;
  __threadfence();
  DeviceAtomics::take(body.sums->blocks_done);
  body.template finish<DeviceAtomics>();
}

// Bodies whose threads meet in the block's shared memory before the blocks meet in `sums`; the last block that is through makes
// something of these (the pattern of CUDA's sample threadFenceReduction).
template <class Body, class Shared>
__global__ void each_block(const __grid_constant__ Body body) {
  // As bytes: shared memory has no initial values, which members of the type may have.
  alignas(Shared) __shared__ unsigned char memory[sizeof(Shared)];
  Shared& shared = *reinterpret_cast<Shared*>(memory);
  if (threadIdx.x == 0) body.clear(shared);
  __syncthreads();
  body.template run<DeviceAtomics>(this_thread(), shared);
  __syncthreads();
  if (threadIdx.x != 0) return;
  body.template publish<DeviceAtomics>(shared);
  finish_last(body);
}

// Half a warp, whose threads share a row (row_launch.h).
class HalfWarp {
 public:
  PRECIPICE_HD explicit HalfWarp(int thread_of_block)
      : index_(thread_of_block % kRowLanes), mask_(0xFFFFu << (thread_of_block / kRowLanes % 2 * kRowLanes)) {}
  PRECIPICE_HD int index() const { return index_; }
  // The lower lane's number is the first of a pair, as in the CPU's tree.
  template <class T, class Join>
  PRECIPICE_HD T fold(T own, [[maybe_unused]] const Join& join) const {
#if defined(__CUDA_ARCH__)
    for (int step = kRowLanes / 2; step > 0; step /= 2) {
      const T other = __shfl_xor_sync(mask_, own, step);
      own = (index_ & step) == 0 ? join(own, other) : join(other, own);
    }
#endif
    return own;
  }

 private:
  int index_;
  unsigned mask_;
};

template <class Body, class Seen>
__device__ void run_rows(const Body& body, ThreadPosition position, Seen& seen) {
  const HalfWarp lanes(static_cast<int>(threadIdx.x));
  for (std::int64_t row = position.thread / kRowLanes; row < body.rows; row += position.threads / kRowLanes)
    body.run_row(row, lanes, seen);
}

template <class Body>
__global__ void each_row(const __grid_constant__ Body body) {
  Unseen nobody;
  run_rows(body, this_thread(), nobody);
}

// For each_block.
template <class Body>
struct SeenRowsLaunch : LargestOfLaunch {
  Body body;

  template <class Atomics>
  __device__ void run(ThreadPosition position, Largest& shared) const {
    LargestSeen own;
    run_rows(body, position, own);
    merge<Atomics>(shared, own.pattern);
  }
};

// Zeros for the sums of the launches of a stream, which leave zeros again: they follow one another, so that one set serves
// all, without memory and zeros for every call. Kept as long as the process.
template <class T>
LaunchSums<T>* sums_of_stream(cudaStream_t stream) {
  static std::mutex mutex;
  static std::unordered_map<cudaStream_t, LaunchSums<T>*> all;
  const std::lock_guard lock(mutex);
  LaunchSums<T>*& sums = all[stream];
  if (sums == nullptr) {
    void* memory = nullptr;
    check_cuda(cudaMallocAsync(&memory, sizeof(LaunchSums<T>), stream));
    check_cuda(cudaMemsetAsync(memory, 0, sizeof(LaunchSums<T>), stream));
    sums = static_cast<LaunchSums<T>*>(memory);
  }
  return sums;
}

// By default as many blocks as the items need, up to eight per multiprocessor, which is all that it holds at a time; a
// launch of few items has one block of so many warps.
inline Launch shape_of(Launch wanted, std::int64_t items) {
  constexpr int kThreads = 256, kMaxThreads = 1024, kWarp = 32;
  if (wanted.blocks < 0 || wanted.threads < 0 || wanted.threads > kMaxThreads)
    throw std::runtime_error("a launch has at most 1024 threads per block, and no negative numbers");
  Launch shape = wanted;
  if (shape.threads == 0)
    shape.threads = static_cast<int>(std::min<std::int64_t>(kThreads, (items + kWarp - 1) / kWarp * kWarp));
  if (shape.blocks == 0) {
    int device = 0, multiprocessors = 0;
    check_cuda(cudaGetDevice(&device));
    check_cuda(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device));
    const std::int64_t needed = (items + shape.threads - 1) / shape.threads;
    shape.blocks = static_cast<int>(std::min<std::int64_t>(needed, 8 * multiprocessors));
  }
  return shape;
}

// A call where others write <<<>>>, so that any C++ compiler reads this file (tests/support/cuda_on_cpu).
template <class Body>
void start(Launch shape, void (*kernel)(Body), const Body& body) {
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(shape.blocks));
  config.blockDim = dim3(static_cast<unsigned>(shape.threads));
  config.stream = stream_of(shape);
  check_cuda(cudaLaunchKernelEx(&config, kernel, body));
  check_cuda(cudaGetLastError());
}

// Queues the launches of one call on its stream, in order, and what they need of memory: from the device's pool, whose
// allocations and releases have their place among the work of the stream, so that memory is another's when the launches
// before the release are done, and nobody waits. (A caching allocator outside, as libtorch's, would do as well, but could
// not be asked by a library that knows no libtorch; CUDA's pool is also what a captured graph can hold.)
class DeviceMachine {
 public:
  explicit DeviceMachine(Launch launch) : launch_(launch) {}
  DeviceMachine(const DeviceMachine&) = delete;
  DeviceMachine& operator=(const DeviceMachine&) = delete;
  ~DeviceMachine() {
    for (int i = 0; i < count_; ++i) cudaFreeAsync(owned_[i], stream_of(launch_));
  }

  template <class T>
  LaunchSums<T>* sums() {
    return sums_of_stream<T>(stream_of(launch_));
  }

  // For what is written before it is read.
  template <class T>
  T* unwritten(std::int64_t count) {
    return allocate<T>(static_cast<std::size_t>(count));
  }

  template <class T>
  T download(const T* device) {
    T host;
    check_cuda(cudaMemcpyAsync(&host, device, sizeof(T), cudaMemcpyDeviceToHost, stream_of(launch_)));
    check_cuda(cudaStreamSynchronize(stream_of(launch_)));
    return host;
  }

  template <class Body>
  void launch(const Body& body) {
    if (body.items() == 0) return;
    const Launch shape = shape_of(launch_, body.items());
    start(shape, each_thread<Body>, body);
  }

  // `amax`: of what is written, unless null.
  template <class Body>
  void launch_seen(const Body& body, float* amax) {
    if (amax == nullptr) return launch(body);
    launch_blocks<Largest>(SeenLaunch<Body>{{sums<Largest>(), amax}, body});
  }

  // Of whole lanes, whatever was asked for.
  template <class Body>
  void launch_rows(const Body& body) {
    if (body.rows > 0) start(shape_of_rows(body.rows), each_row<Body>, body);
  }
  template <class Body>
  void launch_seen_rows(const Body& body, float* amax) {
    if (amax == nullptr) return launch_rows(body);
    const SeenRowsLaunch<Body> seen{{sums<Largest>(), amax}, body};
    start(shape_of_rows(std::max<std::int64_t>(body.rows, 1)), each_block<SeenRowsLaunch<Body>, Largest>, seen);
  }

  // Without items too, for what is made of their sums.
  template <class Shared, class Body>
  void launch_blocks(const Body& body) {
    const Launch shape = shape_of(launch_, std::max<std::int64_t>(body.items(), 1));
    start(shape, each_block<Body, Shared>, body);
  }

 private:
  static constexpr int kMost = 8;  // arrays of one call

  Launch shape_of_rows(std::int64_t rows) const {
    Launch shape = shape_of(launch_, rows * kRowLanes);
    shape.threads = (shape.threads + kRowLanes - 1) / kRowLanes * kRowLanes;
    return shape;
  }

  template <class T>
  T* allocate(std::size_t count) {
    if (count_ == kMost) throw std::runtime_error("a call has more scratch memory than is expected");
    void* memory = nullptr;
    check_cuda(cudaMallocAsync(&memory, count * sizeof(T), stream_of(launch_)));
    owned_[count_++] = memory;
    return static_cast<T*>(memory);
  }

  Launch launch_;
  void* owned_[kMost] = {};
  int count_ = 0;
};

}  // namespace precipice
