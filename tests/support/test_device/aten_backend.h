// SPDX-License-Identifier: Apache-2.0
// ATen on the test device: memory, views and copies from and to the host are the device's own; every other operation is the
// CPU's, on CPU tensors over the same memory, when what was queued is done.
#pragma once

namespace precipice::test_device {

// Tells libtorch of the device. Once.
void register_backend();

}  // namespace precipice::test_device
