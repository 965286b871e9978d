// SPDX-License-Identifier: Apache-2.0
// The loops of accumulate-inl.h, compiled for AVX2; nothing on other CPUs.
#if defined(__x86_64__)

#include <bit>
#include <utility>

#include "precision/accumulator/accumulate_isa.h"
#include "precision/accumulator/accumulate_step.h"
#include "precision/kernels/vector.h"

namespace precipice::avx2 {
namespace {

struct MultiplyAdd {
  static constexpr bool kFused = false;
  PRECIPICE_HD Floats operator()(float a, Floats b, Floats sum) const { return sum + a * b; }
};

}  // namespace
#include "precision/accumulator/accumulate-inl.h"
}  // namespace precipice::avx2

#endif
