// SPDX-License-Identifier: Apache-2.0
// The kernels of libprecipice_cuda.so, on a GPU or on the CPU (tests/support/cuda_on_cpu), and arrays in the memory of
// either with guards on both sides.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "optim/multi_tensor/cuda_kernels.h"
#include "precision/cuda/cuda_library.h"
#include "tests/support/catch.h"
#include "tests/support/cuda_on_cpu/control.h"

namespace precipice::test {

struct Kernels {
  const CudaMemory* memory;
  const CudaQuantizeKernels* quantize;
  const CudaMultiTensorKernels* multi_tensor;
  const CudaRowKernels* rows;
  const CudaStepKernels* step;
  const CudaMatrixKernels* matrix;
  const CudaAttentionKernels* attention;
};

// The library's entry points; nothing, and why, where it was not built or does not open.
struct OpenLibrary {
  CudaLibrary cuda;
  Kernels kernels;
};
std::optional<OpenLibrary> load_cuda_library(const std::string& path, std::string& reason);

struct OnCpu {
  OpenLibrary library;
  const cuda_on_cpu::Control* control;
};
const OnCpu& on_cpu();
// With blocks and threads in this order (control.h).
const Kernels& kernels_on_cpu(std::uint64_t order);

// Shapes with one thread, blocks that are no multiple of a warp, more threads than items, and many rounds of the
// stride.
inline const std::vector<Launch> kLaunches = {{1, 1}, {3, 7}, {5, 33}, {2, 256}, {17, 96}, {0, 0}};

inline void require_done(const char* reason) {
  if (reason != nullptr) FAIL(reason);
}

// `shift` elements away from the alignment of an allocation.
template <class T>
class DeviceArray {
 public:
  DeviceArray(const Kernels& kernels, const std::vector<T>& host, std::size_t shift = 0)
      : memory_(*kernels.memory), shift_(shift), size_(host.size()), all_(kGuard + shift + size_ + kGuard, guard()) {
    std::copy(host.begin(), host.end(), all_.begin() + begin());
    void* memory = nullptr;
    require_done(memory_.allocate(all_.size() * sizeof(T), nullptr, &memory));
    device_ = static_cast<T*>(memory);
    require_done(memory_.to_device(device_, all_.data(), all_.size() * sizeof(T), nullptr));
  }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;
  ~DeviceArray() { memory_.release(device_, nullptr); }

  T* data() const { return device_ + begin(); }

  // Fails where a guard was written.
  std::vector<T> contents() {
    require_done(memory_.to_host(all_.data(), device_, all_.size() * sizeof(T), nullptr));
    const auto first = all_.begin() + begin(), last = first + static_cast<std::ptrdiff_t>(size_);
    const auto is_guard = [](T x) { return x == guard(); };
    CHECK(std::all_of(all_.begin(), first, is_guard));
    CHECK(std::all_of(last, all_.end(), is_guard));
    return {first, last};
  }

 private:
  static constexpr std::size_t kGuard = 16;
  static T guard() { return static_cast<T>(12345.0f); }
  std::ptrdiff_t begin() const { return static_cast<std::ptrdiff_t>(kGuard + shift_); }

  const CudaMemory& memory_;
  std::size_t shift_, size_;
  std::vector<T> all_;
  T* device_ = nullptr;
};

// A number, or some, that kernels leave in device memory.
template <class T>
class DeviceResult {
 public:
  explicit DeviceResult(const Kernels& kernels, const T& before = T()) : words_(kernels, words_of(before)) {}
  T* data() const { return reinterpret_cast<T*>(words_.data()); }
  T value() {
    const std::vector<std::uint32_t> words = words_.contents();
    T result;
    __builtin_memcpy(static_cast<void*>(&result), words.data(), sizeof(T));
    return result;
  }

 private:
  static_assert(sizeof(T) % sizeof(std::uint32_t) == 0);
  static std::vector<std::uint32_t> words_of(const T& number) {
    std::vector<std::uint32_t> words(sizeof(T) / sizeof(std::uint32_t));
    __builtin_memcpy(words.data(), &number, sizeof(T));
    return words;
  }
  DeviceArray<std::uint32_t> words_;
};

}  // namespace precipice::test
