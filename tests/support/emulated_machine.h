// SPDX-License-Identifier: Apache-2.0
// A machine for kernel bodies (precision/cuda/quantize_calls.h) that is the CPU: it walks through every block and
// thread of a launch, a block's phases apart where the GPU has its barriers. Blocks and threads come last to first,
// against the order of the host's loops, so that a result that depends on the order shows.
#pragma once

#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>
#include <vector>

#include "precision/cuda/cuda_kernels.h"
#include "precision/cuda/launch.h"

namespace precipice::test {

class EmulatedMachine {
 public:
  explicit EmulatedMachine(Launch launch)
      : blocks_(launch.blocks != 0 ? launch.blocks : 3), threads_(launch.threads != 0 ? launch.threads : 64) {
    if (blocks_ < 0 || threads_ < 0) throw std::runtime_error("a launch has no negative numbers");
  }

  template <class T>
  T* scratch(std::int64_t count) {
    memory_.emplace_back(std::calloc(static_cast<std::size_t>(count), sizeof(T)), std::free);
    return static_cast<T*>(memory_.back().get());
  }
  template <class T>
  T* upload(const std::vector<T>& host) {
    T* memory = scratch<T>(static_cast<std::int64_t>(host.size()));
    std::memcpy(memory, host.data(), host.size() * sizeof(T));
    return memory;
  }
  template <class T>
  std::vector<T> download(const T* device, std::int64_t count) {
    return std::vector<T>(device, device + count);
  }

  template <class Body>
  void launch(const Body& body) {
    for (int block = blocks_ - 1; block >= 0; --block) {
      for (int thread = threads_ - 1; thread >= 0; --thread)
        body.template run<SequentialAtomics>(thread_position(block, blocks_, thread, threads_));
    }
  }
  template <class Shared, class Body>
  void launch_blocks(const Body& body) {
    for (int block = blocks_ - 1; block >= 0; --block) {
      alignas(Shared) unsigned char memory[sizeof(Shared)];
      std::memset(memory, 0xA5, sizeof(memory));
      Shared& shared = *reinterpret_cast<Shared*>(memory);
      body.clear(shared);
      for (int thread = threads_ - 1; thread >= 0; --thread)
        body.template run<SequentialAtomics>(thread_position(block, blocks_, thread, threads_), shared);
      body.template publish<SequentialAtomics>(shared);
    }
  }
  void wait() {}

 private:
  int blocks_, threads_;
  std::vector<std::unique_ptr<void, void (*)(void*)>> memory_;
};

inline const CudaMemory kHostMemory = {[](std::size_t bytes, void** memory) -> const char* {
                                         *memory = std::malloc(bytes);
                                         return *memory != nullptr || bytes == 0 ? nullptr : "out of memory";
                                       },
                                       [](void* memory) -> const char* {
                                         std::free(memory);
                                         return nullptr;
                                       },
                                       [](void* device, const void* host, std::size_t bytes) -> const char* {
                                         std::memcpy(device, host, bytes);
                                         return nullptr;
                                       },
                                       [](void* host, const void* device, std::size_t bytes) -> const char* {
                                         std::memcpy(host, device, bytes);
                                         return nullptr;
                                       }};

}  // namespace precipice::test
