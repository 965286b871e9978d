// SPDX-License-Identifier: Apache-2.0
// How often the host waited for the test device: once for each number, or array of numbers, that it was given, and once for
// each array that went up from memory that is not pinned. And what ATen did there.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace precipice::test_device {

// By what it waited for: "copy" and "item" of ATen, other operations of ATen by their names; "upload"; "library": functions
// of the CUDA library, as an optimizer's read() and a machine's amax().
using Waits = std::map<std::string, std::int64_t>;

// Since the start of the process.
Waits waits();
// Of all but uploads: those of a batch are before anything is queued.
std::int64_t sum_of(const Waits& waits);
// What came after `before`, of the same process.
Waits since(const Waits& before);

// `by_library`: the library counts it too.
void count_wait(const std::string& cause, bool by_library);

// What ATen did to numbers of the device, beside the library's kernels and the products: on a GPU each operation is a launch at
// least.
struct AtenWork {
  std::int64_t operations = 0, bytes = 0;  // bytes: read and written
};
// Since the start of the process.
AtenWork aten_work();
void count_operation(std::int64_t bytes);

}  // namespace precipice::test_device
