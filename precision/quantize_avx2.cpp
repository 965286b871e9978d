// SPDX-License-Identifier: Apache-2.0
// The array loops of quantize-inl.h, compiled for AVX2; nothing on other CPUs.
#if defined(__x86_64__)

#include <immintrin.h>

#include <bit>

#include "precision/hadamard.h"
#include "precision/log2_exponent.h"
#include "precision/quantize_isa.h"

namespace precipice::avx2 {
namespace {

using Lanes = std::uint64_t __attribute__((vector_size(32)));

struct LanesWideProduct {
  PRECIPICE_HD Lanes operator()(std::uint32_t factor, Lanes lanes) const {
    const auto factors = _mm256_set1_epi64x(static_cast<long long>(factor));
    return reinterpret_cast<Lanes>(_mm256_mul_epu32(reinterpret_cast<__m256i>(lanes), factors));
  }
};

}  // namespace
#include "precision/block_kernels-inl.h"
#include "precision/quantize-inl.h"
}  // namespace precipice::avx2

#endif
