// SPDX-License-Identifier: Apache-2.0
// The loops of accumulate-inl.h, compiled for AVX-512 (F, BW, DQ, VL); nothing on other CPUs.
#if defined(__x86_64__)

#include <immintrin.h>

#include <bit>
#include <utility>

#include "precision/accumulator/accumulate_isa.h"
#include "precision/accumulator/accumulate_step.h"

namespace precipice::avx512 {
namespace {

constexpr int kVectorBytes = 64;
using Lanes = std::uint64_t __attribute__((vector_size(kVectorBytes)));

struct LanesWideProduct {
  PRECIPICE_HD Lanes operator()(std::uint32_t factor, Lanes lanes) const {
    const auto factors = _mm512_set1_epi64(static_cast<long long>(factor));
    // Not _mm512_mul_epu32: in g++ 12 it warns of an uninitialised register of its own.
    return reinterpret_cast<Lanes>(_mm512_maskz_mul_epu32(0xFF, reinterpret_cast<__m512i>(lanes), factors));
  }
};

using Floats = float __attribute__((vector_size(kVectorBytes)));

struct MultiplyAdd {
  static constexpr bool kFused = true;
  PRECIPICE_HD Floats operator()(float a, Floats b, Floats sum) const {
    return _mm512_fmadd_ps(_mm512_set1_ps(a), b, sum);
  }
};

}  // namespace
#include "precision/accumulator/accumulate-inl.h"
#include "precision/base/host_device.h"
}  // namespace precipice::avx512

#endif
