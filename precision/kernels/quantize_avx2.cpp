// SPDX-License-Identifier: Apache-2.0
// The array loops of quantize-inl.h, compiled for AVX2; nothing on other CPUs.
#if defined(__x86_64__)

#include <immintrin.h>

#include <bit>
#include <utility>

#include "precision/base/host_device.h"
#include "precision/format/log2_exponent.h"
#include "precision/kernels/hadamard_matrix.h"
#include "precision/kernels/quantize_isa.h"

namespace precipice::avx2 {
namespace {

using Lanes = std::uint64_t __attribute__((vector_size(32)));

struct LanesWideProduct {
  PRECIPICE_HD Lanes operator()(std::uint32_t factor, Lanes lanes) const {
    const auto factors = _mm256_set1_epi64x(static_cast<long long>(factor));
    return reinterpret_cast<Lanes>(_mm256_mul_epu32(reinterpret_cast<__m256i>(lanes), factors));
  }
};

using Ints = std::int32_t __attribute__((vector_size(32)));

PRECIPICE_HD __m256i as_m256i(Ints x) {
  return reinterpret_cast<__m256i>(x);
}
PRECIPICE_HD bool any(Ints mask) {
  return _mm256_movemask_epi8(as_m256i(mask)) != 0;
}
// By counts of their own, as unsigned numbers; zeros from 32 on.
PRECIPICE_HD Ints shift_left(Ints x, Ints counts) {
  return reinterpret_cast<Ints>(_mm256_sllv_epi32(as_m256i(x), as_m256i(counts)));
}
PRECIPICE_HD Ints shift_right(Ints x, Ints counts) {
  return reinterpret_cast<Ints>(_mm256_srlv_epi32(as_m256i(x), as_m256i(counts)));
}
PRECIPICE_HD void store_high_halves(Ints x, std::uint16_t* to) {
  const __m256i halves = _mm256_srli_epi32(as_m256i(x), 16);
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(halves, halves), 0x88);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm256_castsi256_si128(packed));
}

// 64 bytes, past the caches; `to` is aligned.
PRECIPICE_HD void stream_line(const void* from, void* to) {
  const auto* source = static_cast<const __m256i*>(from);
  auto* target = static_cast<__m256i*>(to);
  for (int i = 0; i < 2; ++i) _mm256_stream_si256(target + i, _mm256_loadu_si256(source + i));
}
PRECIPICE_HD void end_stream() {
  _mm_sfence();
}

}  // namespace
#include "precision/kernels/lane_masks-inl.h"
// They expect it.
#include "precision/kernels/block_kernels-inl.h"
#include "precision/kernels/quantize-inl.h"
}  // namespace precipice::avx2

#endif
