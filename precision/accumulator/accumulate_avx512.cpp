// SPDX-License-Identifier: Apache-2.0
// The loops of accumulate-inl.h, compiled for AVX-512 (F, BW, DQ, VL); nothing on other CPUs.
#if defined(__x86_64__)

#include <bit>
#include <utility>

#include "precision/accumulator/accumulate_isa.h"
#include "precision/accumulator/accumulate_step.h"
#include "precision/kernels/vector.h"

namespace precipice::avx512 {
namespace {

struct MultiplyAdd {
  static constexpr bool kFused = true;
  PRECIPICE_HD Floats operator()(float a, Floats b, Floats sum) const {
    return _mm512_fmadd_ps(_mm512_set1_ps(a), b, sum);
  }
};

}  // namespace
#include "precision/accumulator/accumulate-inl.h"
}  // namespace precipice::avx512

#endif
