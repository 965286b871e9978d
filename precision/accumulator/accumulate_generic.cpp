// SPDX-License-Identifier: Apache-2.0
// The loops of accumulate-inl.h, compiled for the baseline of the target CPU.
#include <bit>
#include <utility>

#include "precision/accumulator/accumulate_isa.h"
#include "precision/accumulator/accumulate_step.h"

namespace precipice::generic {
namespace {

constexpr int kVectorBytes = 16;
using Lanes = std::uint64_t __attribute__((vector_size(kVectorBytes)));

struct LanesWideProduct {
  PRECIPICE_HD Lanes operator()(std::uint32_t factor, Lanes lanes) const { return (lanes & 0xFFFFFFFFu) * factor; }
};

using Floats = float __attribute__((vector_size(kVectorBytes)));

struct MultiplyAdd {
  static constexpr bool kFused = false;
  PRECIPICE_HD Floats operator()(float a, Floats b, Floats sum) const { return sum + a * b; }
};

}  // namespace
#include "precision/accumulator/accumulate-inl.h"
#include "precision/base/host_device.h"
}  // namespace precipice::generic
