// SPDX-License-Identifier: Apache-2.0
// What a training step on a device takes for granted of numbers in its memory, so that nobody waits for them: the host goes
// on as if it held, and a kernel looks whether it does. Host and device.
#pragma once

#include <cstdint>

#include "precision/base/host_device.h"
#include "precision/calls/logit_calls.h"
#include "precision/calls/matrix_numbers.h"

namespace precipice {

// What of an operand decides how its scales are multiplied in.
struct FoldedScales {
  bool has_outer = false;  // a tensor's scale beside those of blocks, which are E4M3 numbers
  double of_elements = 0;  // their quantum

  PRECIPICE_HD bool can_be_exact(const ScaleRange& range) const {
    return (has_outer || range.powers_of_two != 0) && static_cast<double>(range.smallest) * of_elements >= 0x1p-149;
  }
};

// Whether a row of logits has a loss: with infinite sums or a NaN it has none.
PRECIPICE_HD bool has_loss(const LogitRow& row) {
  const double total = row.others + row.target;
  return total - total == 0;
}

struct Assumption {
  enum class Kind : std::uint8_t {
    ScalesAreFolded,     // numbers: ScaleRange
    ScalesAreNotFolded,  // numbers: ScaleRange
    OuterScaleIsNotOne,  // numbers: MatrixNumbers. A tensor's part of 1 is none: its scales are another kind then
    RowsHaveLoss,        // numbers: LogitRow, `count` of them
  };
  Kind kind = Kind::ScalesAreFolded;
  FoldedScales scales;  // of the first two
  std::int64_t count = 1;
  const void* numbers = nullptr;

  // Of the number at `index`, below count.
  PRECIPICE_HD bool holds(std::int64_t index) const {
    switch (kind) {
      case Kind::ScalesAreFolded: {
        const auto& range = *static_cast<const ScaleRange*>(numbers);
        return scales.can_be_exact(range) && range.inexact == 0;
      }
      case Kind::ScalesAreNotFolded:
        return !scales.can_be_exact(*static_cast<const ScaleRange*>(numbers));
      case Kind::OuterScaleIsNotOne:
        return static_cast<const MatrixNumbers*>(numbers)->outer != 1.0f;
      case Kind::RowsHaveLoss:
        return has_loss(static_cast<const LogitRow*>(numbers)[index]);
    }
    return false;
  }
};

}  // namespace precipice
