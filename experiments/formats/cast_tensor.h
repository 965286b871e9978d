// SPDX-License-Identifier: Apache-2.0
// One operand of one GEMM of a recipe, tensor after tensor: what `precipice cast --recipe` does with a stream.
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string_view>

#include "precision/scaling/block_quantize.h"

namespace precipice {

struct CastTensorSpec {
  Quantizer quantizer;
  MatrixShape shape;        // of the tensor as the model holds it
  std::int64_t steps = 1;   // tensors, one after the other
  bool bf16_input = false;  // two bytes a value
  bool grid = false;        // write values of the grid instead of dequantized ones
  RandomKey key;            // its step counts up from here
};

// Reads steps x rows x cols values, writes as many float32. `scales`: dequantization scales as float32 in row-major
// block order, tensor after tensor, are handed to it where it is not null. With a Hadamard transform values stay
// rotated. Returns false when the reader of the output has gone. Throws DataError when the input is too short or too
// long.
bool cast_tensors(int input, int output, const CastTensorSpec& spec,
                  const std::function<void(std::string_view)>& scales);

}  // namespace precipice
