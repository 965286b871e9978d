// SPDX-License-Identifier: Apache-2.0
// The array loops of quantize-inl.h, compiled for AVX-512 (F, BW, DQ, VL); nothing on other CPUs. Comparisons give mask
// registers, of which the count is one instruction.
#if defined(__x86_64__)

#include <immintrin.h>

#include <bit>
#include <utility>

#include "precision/base/host_device.h"
#include "precision/format/log2_exponent.h"
#include "precision/kernels/hadamard_matrix.h"
#include "precision/kernels/quantize_isa.h"

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

using Ints = std::int32_t __attribute__((vector_size(64)));
using Mask = __mmask16;

PRECIPICE_HD __m512i as_m512i(Ints x) {
  return reinterpret_cast<__m512i>(x);
}
PRECIPICE_HD Mask greater(Ints a, Ints b) {
  return _mm512_cmpgt_epi32_mask(as_m512i(a), as_m512i(b));
}
PRECIPICE_HD Mask greater_unsigned(Ints a, Ints b) {
  return _mm512_cmpgt_epu32_mask(as_m512i(a), as_m512i(b));
}
PRECIPICE_HD bool any(Mask mask) {
  return mask != 0;
}
PRECIPICE_HD Ints select(Mask mask, Ints yes, Ints no) {
  return reinterpret_cast<Ints>(_mm512_mask_blend_epi32(mask, as_m512i(no), as_m512i(yes)));
}
// By counts of their own, as unsigned numbers; zeros from 32 on. The forms with a mask, as g++ 12 warns of an
// uninitialised register of its own in the others.
PRECIPICE_HD Ints shift_left(Ints x, Ints counts) {
  return reinterpret_cast<Ints>(_mm512_maskz_sllv_epi32(0xFFFF, as_m512i(x), as_m512i(counts)));
}
PRECIPICE_HD Ints shift_right(Ints x, Ints counts) {
  return reinterpret_cast<Ints>(_mm512_maskz_srlv_epi32(0xFFFF, as_m512i(x), as_m512i(counts)));
}
PRECIPICE_HD void store_high_halves(Ints x, std::uint16_t* to) {
  const __m512i halves = _mm512_maskz_srli_epi32(0xFFFF, as_m512i(x), 16);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_maskz_cvtepi32_epi16(0xFFFF, halves));
}
struct Counter {
  std::int32_t sum = 0;
  PRECIPICE_HD void add(Mask mask) { sum += __builtin_popcount(mask); }
  PRECIPICE_HD std::int32_t total() const { return sum; }
};

// 64 bytes, past the caches; `to` is aligned.
PRECIPICE_HD void stream_line(const void* from, void* to) {
  _mm512_stream_si512(reinterpret_cast<__m512i*>(to), _mm512_loadu_si512(from));
}
PRECIPICE_HD void end_stream() {
  _mm_sfence();
}

}  // namespace
#include "precision/kernels/block_kernels-inl.h"
#include "precision/kernels/quantize-inl.h"
}  // namespace precipice::avx512

#endif
