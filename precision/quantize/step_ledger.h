// SPDX-License-Identifier: Apache-2.0
// The numbers that a training step finds out and that the host wants to know: events, amaxes, losses, norms. On a device
// they stay in its memory until the step is through its backward pass, and then come to the host in one download, where
// whoever asked for them is told. On the CPU nothing is put off.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstring>
#include <functional>
#include <vector>

namespace precipice {

class StepLedger {
 public:
  using Read = std::function<void(const void* numbers)>;
  using Holds = std::function<bool(const void* numbers)>;

  // `numbers`: a contiguous array in a device's memory, the result of calls that were made already. `read` is given a copy
  // of its bytes, aligned to nothing, if `holds` is true of all that was added.
  void add(const at::Tensor& numbers, Read read, Holds holds = {});
  // Waits for the device, once if there is anything to wait for, and tells all who asked, in their order. False if some
  // numbers do not hold what was taken for granted: then nobody is told, and the step has to be done again without it.
  bool settle();

 private:
  struct Entry {
    at::Tensor bytes;
    Read read;
    Holds holds;
  };
  std::vector<Entry> entries_;
};

// A copy of a number among bytes that are aligned to nothing.
template <class Number>
Number number_at(const void* bytes) {
  Number number;
  std::memcpy(&number, bytes, sizeof(number));
  return number;
}

}  // namespace precipice
