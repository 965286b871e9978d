// SPDX-License-Identifier: Apache-2.0
// The loops of accumulate-inl.h, compiled for the baseline of the target CPU.
#include <bit>
#include <utility>

#include "precision/accumulator/accumulate_isa.h"
#include "precision/accumulator/accumulate_step.h"
#include "precision/kernels/vector.h"

namespace precipice::generic {
namespace {

struct MultiplyAdd {
  static constexpr bool kFused = false;
  PRECIPICE_HD Floats operator()(float a, Floats b, Floats sum) const { return sum + a * b; }
};

}  // namespace
#include "precision/accumulator/accumulate-inl.h"
}  // namespace precipice::generic
