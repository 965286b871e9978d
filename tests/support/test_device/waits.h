// SPDX-License-Identifier: Apache-2.0
// How often the host waited for the test device: once for each number, or array of numbers, that it was given.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace precipice::test_device {

// By what it waited for: "copy" and "item" of ATen, other operations of ATen by their names, functions of the machines'
// tables by theirs.
using Waits = std::map<std::string, std::int64_t>;

// Since the start of the process.
Waits waits();
std::int64_t sum_of(const Waits& waits);
// What came after `before`, of the same process.
Waits since(const Waits& before);

void count_wait(const std::string& cause);

}  // namespace precipice::test_device
