// SPDX-License-Identifier: Apache-2.0
// The loss and its gradient over all rows of logits, as calls on plain arrays (row_kernels.h has the formulas). Host and
// device.
#pragma once

#include <cstdint>

#include "precision/base/host_device.h"
#include "precision/kernels/row_kernels.h"

namespace precipice {

// All rows of logits (count, width) under cross-entropy.
struct LogitRowsCall {
  const float* z = nullptr;
  const std::int64_t* targets = nullptr;  // (count), each below width
  std::int64_t count = 0, width = 0;
  bool moments = false;
  float* e = nullptr;                     // (count, width): e^(z - m); null: not wanted
  LogitRow* rows = nullptr;               // (count)
  float* target_logits = nullptr;         // (count)
  const std::uint16_t* packed = nullptr;  // z as bf16 numbers, in place of `z`, without moments and e; on a device
};

// What each of `count` terms of a mean has of its gradient: times gradient / count, in double.
struct MeanShare {
  const float* gradient = nullptr;
  double times = 1, count = 1;
  PRECIPICE_HD double value() const { return times * static_cast<double>(*gradient) / count; }
};

// Of e^(z - m), in place, the gradient of the mean loss: share (e_i / sum - [i = target]). Or of the logits themselves, as
// bf16 numbers, in place, the same rounded once more, to bf16, nearest even.
struct LogitGradient {
  float* e = nullptr;
  const std::int64_t* targets = nullptr;
  const LogitRow* rows = nullptr;  // (count)
  std::int64_t count = 0, width = 0;
  MeanShare share;
  std::uint16_t* packed = nullptr;  // (count, width): logits, in place of `e`; on a device
};

}  // namespace precipice
