// SPDX-License-Identifier: Apache-2.0
// The array loops of quantize-inl.h, compiled for AVX-512 (F, BW, DQ, VL); nothing on other CPUs.
#if defined(__x86_64__)

#include <immintrin.h>

#include <bit>

#include "precision/hadamard.h"
#include "precision/log2_exponent.h"
#include "precision/quantize_isa.h"

namespace precipice::avx512 {
namespace {

using Lanes = std::uint64_t __attribute__((vector_size(64)));

struct LanesWideProduct {
  PRECIPICE_HD Lanes operator()(std::uint32_t factor, Lanes lanes) const {
    const auto factors = _mm512_set1_epi64(static_cast<long long>(factor));
    // Not _mm512_mul_epu32: in g++ 12 it warns of an uninitialised register of its own.
    return reinterpret_cast<Lanes>(_mm512_maskz_mul_epu32(0xFF, reinterpret_cast<__m512i>(lanes), factors));
  }
};

}  // namespace
#include "precision/block_kernels-inl.h"
#include "precision/quantize-inl.h"
}  // namespace precipice::avx512

#endif
