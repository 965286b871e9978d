// SPDX-License-Identifier: Apache-2.0
// Sums over the first axis of a tensor in the order of precision/calls/column_sums.h, on any machine.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace precipice {

// Where the columns of x stand among those that the CPU adds at once, which its order depends on; all = 0: they are all.
struct ColumnsOf {
  std::int64_t first = 0, all = 0;
};

// x: (rows, ...), fp32. `out`, of a row's sizes and contiguous, may be undefined: then it is made.
at::Tensor column_sums(const at::Tensor& x, at::Tensor out = {}, const ColumnsOf& whole = {});

}  // namespace precipice
