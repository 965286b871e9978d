// SPDX-License-Identifier: Apache-2.0
// What quantizing finds out about a matrix as a whole, in the memory of the machine that does it: on a device these
// numbers stay there, for its next calls and for the step's one download (step_ledger.h). Free of torch.
#pragma once

#include <cstdint>

#include "precision/kernels/event_counts.h"

namespace precipice {

struct MatrixNumbers {
  EventCounts events;
  float scale = 1.0f;  // as Quantized has them (quantize.h)
  float outer = 1.0f;
  float quantum = 0.0f;
};

// E8M0's scale of a block of zeros, a subnormal number: of such a block it says nothing, and what else has it is too small
// to be multiplied beforehand.
inline constexpr float kScaleOfZeros = 0x1p-127f;

// What decides whether the products of numbers with their scales are exact.
struct ScaleRange {
  float smallest = 0x1p127f;        // of the positive scales but kScaleOfZeros, if it is less
  std::uint32_t powers_of_two = 1;  // all of these; else 0
  std::uint32_t inexact = 0;        // not 0: a finite product became infinite, or another bf16 number, or kScaleOfZeros
                                    // multiplied another number than zero
};

}  // namespace precipice
