// SPDX-License-Identifier: Apache-2.0
// The device side of launch.h: kernels around bodies, the shape of a launch, device memory. CUDA's errors are thrown;
// the C interface returns them as reasons (cuda_kernels.h).
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "precision/base/host_device.h"
#include "precision/cuda/launch.h"

namespace precipice {

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
};

__device__ inline ThreadPosition this_thread() {
  return thread_position(static_cast<int>(blockIdx.x), static_cast<int>(gridDim.x), static_cast<int>(threadIdx.x),
                         static_cast<int>(blockDim.x));
}

template <class Body>
__global__ void each_thread(const __grid_constant__ Body body) {
  body.template run<DeviceAtomics>(this_thread());
}

// Bodies whose threads meet in the block's shared memory before the blocks meet.
template <class Body, class Shared>
__global__ void each_block(const __grid_constant__ Body body) {
  // As bytes: shared memory has no initial values, which members of the type may have.
  alignas(Shared) __shared__ unsigned char memory[sizeof(Shared)];
  Shared& shared = *reinterpret_cast<Shared*>(memory);
  if (threadIdx.x == 0) body.clear(shared);
  __syncthreads();
  body.template run<DeviceAtomics>(this_thread(), shared);
  __syncthreads();
  if (threadIdx.x == 0) body.template publish<DeviceAtomics>(shared);
}

inline void check_cuda(cudaError_t status) {
  if (status != cudaSuccess) throw std::runtime_error(cudaGetErrorString(status));
}

// By default as many blocks as the items need, up to eight per multiprocessor, which is all that it holds at a time.
inline Launch shape_of(Launch wanted, std::int64_t items) {
  constexpr int kThreads = 256, kMaxThreads = 1024;
  if (wanted.blocks < 0 || wanted.threads < 0 || wanted.threads > kMaxThreads)
    throw std::runtime_error("a launch has at most 1024 threads per block, and no negative numbers");
  Launch shape = wanted;
  if (shape.threads == 0) shape.threads = kThreads;
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
  check_cuda(cudaLaunchKernelEx(&config, kernel, body));
  check_cuda(cudaGetLastError());
}

// Runs the launches of one call, in order, and keeps its memory, which comes from the device's pool.
class DeviceMachine {
 public:
  explicit DeviceMachine(Launch launch) : launch_(launch) {}
  DeviceMachine(const DeviceMachine&) = delete;
  DeviceMachine& operator=(const DeviceMachine&) = delete;
  ~DeviceMachine() {
    for (void* memory : owned_) cudaFreeAsync(memory, nullptr);
  }

  template <class T>
  T* scratch(std::int64_t count) {
    T* memory = allocate<T>(static_cast<std::size_t>(count));
    check_cuda(cudaMemsetAsync(memory, 0, static_cast<std::size_t>(count) * sizeof(T), nullptr));
    return memory;
  }

  template <class T>
  T* upload(const std::vector<T>& host) {
    T* memory = allocate<T>(host.size());
    check_cuda(cudaMemcpy(memory, host.data(), host.size() * sizeof(T), cudaMemcpyHostToDevice));
    return memory;
  }

  template <class T>
  std::vector<T> download(const T* device, std::int64_t count) {
    std::vector<T> host(static_cast<std::size_t>(count));
    check_cuda(cudaMemcpy(host.data(), device, host.size() * sizeof(T), cudaMemcpyDeviceToHost));
    return host;
  }

  template <class Body>
  void launch(const Body& body) {
    if (body.items() == 0) return;
    const Launch shape = shape_of(launch_, body.items());
    start(shape, each_thread<Body>, body);
  }

  template <class Shared, class Body>
  void launch_blocks(const Body& body) {
    if (body.items() == 0) return;
    const Launch shape = shape_of(launch_, body.items());
    start(shape, each_block<Body, Shared>, body);
  }

  void wait() { check_cuda(cudaDeviceSynchronize()); }

 private:
  template <class T>
  T* allocate(std::size_t count) {
    void* memory = nullptr;
    owned_.reserve(owned_.size() + 1);
    check_cuda(cudaMallocAsync(&memory, count * sizeof(T), nullptr));
    owned_.push_back(memory);
    return static_cast<T*>(memory);
  }

  Launch launch_;
  std::vector<void*> owned_;
};

}  // namespace precipice
