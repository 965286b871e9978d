// SPDX-License-Identifier: Apache-2.0
// How arrays of the test device get to the CUDA library's kernels and back: they lie in memory of the CUDA run-time library
// for the length of a call, with guards around them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <type_traits>
#include <vector>

#include "precision/quantize/factor.h"
#include "tests/cuda/kernels_under_test.h"
#include "tests/support/test_device/device_memory.h"
#include "tests/support/test_device/kernels.h"

namespace precipice::test_device {

// What kernel_calls() tells.
inline KernelCalls calls;

inline const test::Kernels& kernels() {
  return test::on_cpu().library.kernels;
}

template <class Number>
std::vector<Number> numbers_at(const Number* memory, std::int64_t size) {
  const DeviceMemory::Opened at_work;
  return {memory, memory + size};
}

template <class Number>
void put_back(test::DeviceArray<Number>& from, Number* to) {
  const std::vector<Number> contents = from.contents();
  const DeviceMemory::Opened at_work;
  std::copy(contents.begin(), contents.end(), to);
}

// A result of kernels, in the test device's memory.
template <class Number>
void put(const Number& number, Number* to) {
  const DeviceMemory::Opened at_work;
  *to = number;
}

inline float value_of(const Factor& factor) {
  const DeviceMemory::Opened at_work;
  return factor.value();
}

// Arrays of a call, of the test device or of the host; null stays null.
class Copies {
 public:
  template <class T>
  const T* in(const T* memory, std::int64_t size) {
    return memory == nullptr ? nullptr : array_of(memory, size)->data();
  }
  // Put back when the call is done.
  template <class T>
  T* out(T* memory, std::int64_t size) {
    if constexpr (!std::is_arithmetic_v<T>) {
      static_assert(sizeof(T) % sizeof(std::uint64_t) == 0);
      const auto words = static_cast<std::int64_t>(sizeof(T) / sizeof(std::uint64_t));
      return reinterpret_cast<T*>(out(reinterpret_cast<std::uint64_t*>(memory), size * words));
    } else {
      if (memory == nullptr) return nullptr;
      const auto array = array_of(memory, size);
      results_.push_back([array, memory] { put_back(*array, memory); });
      return array->data();
    }
  }
  // `reason`: what the call returned; `count` is one more.
  void done(const char* reason, std::int64_t& count) {
    test::require_done(reason);
    for (const auto& result : results_) result();
    ++count;
  }

 private:
  template <class T>
  std::shared_ptr<test::DeviceArray<T>> array_of(const T* memory, std::int64_t size) {
    auto array = std::make_shared<test::DeviceArray<T>>(kernels(), numbers_at(memory, size));
    arrays_.push_back(array);
    return array;
  }

  std::vector<std::shared_ptr<void>> arrays_;
  std::vector<std::function<void()>> results_;
};

}  // namespace precipice::test_device
