// SPDX-License-Identifier: Apache-2.0
// Where a thread's notes and error lines go, of a process whose threads each have a log of their own.
#pragma once

#include <utility>

namespace precipice {

class ThreadOutput {
 public:
  // While it lives, what this thread says goes to `descriptor`, which stays the caller's.
  explicit ThreadOutput(int descriptor) : before_(std::exchange(own(), descriptor)) {}
  ~ThreadOutput() { own() = before_; }
  ThreadOutput(const ThreadOutput&) = delete;
  ThreadOutput& operator=(const ThreadOutput&) = delete;

  // The descriptor for what goes to a standard one elsewhere.
  static int instead_of(int standard) { return own() >= 0 ? own() : standard; }

 private:
  static int& own() {
    thread_local int descriptor = -1;
    return descriptor;
  }
  int before_;
};

}  // namespace precipice
