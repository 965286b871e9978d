// SPDX-License-Identifier: Apache-2.0
// ATen on the test device: memory, views and copies from and to the host are the device's own; every other operation is the
// CPU's, on CPU tensors over the same memory, when what was queued is done.
#pragma once

#include <cstddef>

namespace precipice::test_device {

// Tells libtorch of the device. Once.
void register_backend();

// Operations that the CPU did for the device so far.
std::size_t operations_done();

}  // namespace precipice::test_device
