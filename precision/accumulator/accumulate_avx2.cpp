// SPDX-License-Identifier: Apache-2.0
// The loops of accumulate-inl.h, compiled for AVX2; nothing on other CPUs.
#if defined(__x86_64__)

#include <immintrin.h>

#include <bit>
#include <utility>

#include "precision/accumulator/accumulate_isa.h"
#include "precision/accumulator/accumulate_step.h"

namespace precipice::avx2 {
namespace {

constexpr int kVectorBytes = 32;
using Lanes = std::uint64_t __attribute__((vector_size(kVectorBytes)));

struct LanesWideProduct {
  PRECIPICE_HD Lanes operator()(std::uint32_t factor, Lanes lanes) const {
    const auto factors = _mm256_set1_epi64x(static_cast<long long>(factor));
    return reinterpret_cast<Lanes>(_mm256_mul_epu32(reinterpret_cast<__m256i>(lanes), factors));
  }
};

using Floats = float __attribute__((vector_size(kVectorBytes)));

struct MultiplyAdd {
  static constexpr bool kFused = false;
  PRECIPICE_HD Floats operator()(float a, Floats b, Floats sum) const { return sum + a * b; }
};

}  // namespace
#include "precision/accumulator/accumulate-inl.h"
#include "precision/base/host_device.h"
}  // namespace precipice::avx2

#endif
