// SPDX-License-Identifier: Apache-2.0
// The CPU's products in the place of a library of matrix products, on the test device's memory.
#pragma once

#include "precision/quantize/machine.h"

namespace precipice::test_device {

using ProductOnCpu = void (*)(const ProductCall& call, Stream stream);

// At once, when what was queued is done; while the stream is captured at each replay.
void multiply_there(const ProductCall& call, ProductOnCpu on_cpu);

}  // namespace precipice::test_device
