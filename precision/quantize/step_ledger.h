// SPDX-License-Identifier: Apache-2.0
// The numbers that a training step finds out and that the host wants to know: events, amaxes, losses, norms. On a device
// they stay in its memory until the step is through its backward pass, and then come to the host in one download, where
// whoever asked for them is told. On the CPU nothing is put off.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <cstring>
#include <functional>
#include <vector>

#include "precision/calls/assumption.h"

namespace precipice {

class StepLedger {
 public:
  using Read = std::function<void(const void* numbers)>;

  // `numbers`: a contiguous array in a device's memory, the result of calls that were made already. `read` is given a copy
  // of its bytes, aligned to nothing, if all holds that was taken for granted.
  void add(const at::Tensor& numbers, Read read);
  // The same of numbers that the host does not want to know; `assumption` says what, but for its `numbers`.
  void take_for_granted(const at::Tensor& numbers, Assumption assumption);
  // Queues the look at what was taken for granted so far, once; returns where the device will have 0 if all of it holds, or
  // null if it was nothing.
  const std::uint32_t* look();
  // Waits for the device, once if there is anything to wait for, and tells all who asked, in their order. False if
  // something does not hold that was taken for granted: then nobody is told, and the step has to be done again without it.
  bool settle() { return gather().tell(); }
  // The two halves of settle(). What was gathered may be told again, where what made the numbers was done again (step_graphs.h).
  class Gathered {
   public:
    bool tell() const;

   private:
    friend class StepLedger;
    struct Part {
      std::int64_t bytes;
      Read read;
    };
    at::Tensor all_;
    std::vector<Part> parts_;
    bool was_looked_ = false;
  };
  Gathered gather();

 private:
  struct Entry {
    at::Tensor bytes;
    Read read;
  };
  std::vector<Entry> entries_;
  std::vector<Assumption> assumptions_;
  std::vector<at::Tensor> assumed_;  // their numbers
  at::Tensor failed_;                // (1) of 32 bits, once there was a look
};

// A copy of a number among bytes that are aligned to nothing.
template <class Number>
Number number_at(const void* bytes) {
  Number number;
  std::memcpy(&number, bytes, sizeof(number));
  return number;
}

}  // namespace precipice
