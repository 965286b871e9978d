// SPDX-License-Identifier: Apache-2.0
// Rotary positions, embedding and loss of the test device by the CUDA library's kernels.
#pragma once

#include "precision/quantize/machine.h"

namespace precipice::test_device {

void use_step_kernels(Machine& machine);

}  // namespace precipice::test_device
