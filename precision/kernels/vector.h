// SPDX-License-Identifier: Apache-2.0
// The one vocabulary of vectors: numbers as wide as the registers of the instruction set that a file is compiled for.
// Arithmetic, comparisons and bit operations are the compiler's own operators, which every set has; the functions here
// are those that it lacks or makes badly. A file that is compiled once for each set (quantize-inl.h, accumulate-inl.h,
// row_kernels-inl.h) includes this one before it opens the set's namespace. docs/decisions/highway.md says why it is no
// library's.
#pragma once

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <cstdint>

#include "precision/base/host_device.h"

// In a namespace of each file's own: the files' vectors differ in their width.
namespace precipice {
namespace {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif
constexpr int kWidth = kVectorBytes / sizeof(float);

using Floats = float __attribute__((vector_size(kVectorBytes)));
using Ints = std::int32_t __attribute__((vector_size(kVectorBytes)));
using Uints = std::uint32_t __attribute__((vector_size(kVectorBytes)));
using Lanes = std::uint64_t __attribute__((vector_size(kVectorBytes)));  // of random_words-inl.h

// --- Numbers and patterns. ---

PRECIPICE_HD Floats floats_at(const float* from) {
  Floats x;
  __builtin_memcpy(&x, from, sizeof(x));
  return x;
}
PRECIPICE_HD Ints all(std::int32_t x) {
  return Ints{} + x;
}
PRECIPICE_HD Ints larger(Ints a, Ints b) {
  return a > b ? a : b;
}
PRECIPICE_HD Ints as_ints(Floats x) {
  return __builtin_bit_cast(Ints, x);
}
PRECIPICE_HD Floats as_floats(Ints x) {
  return __builtin_bit_cast(Floats, x);
}

// The same of one number.
PRECIPICE_HD std::int32_t larger(std::int32_t a, std::int32_t b) {
  return a > b ? a : b;
}
PRECIPICE_HD std::int32_t as_ints(float x) {
  return __builtin_bit_cast(std::int32_t, x);
}
PRECIPICE_HD float as_floats(std::int32_t x) {
  return __builtin_bit_cast(float, x);
}
// Without the sign: patterns of magnitudes are in their order, NaN last.
PRECIPICE_HD std::int32_t pattern_of(float x) {
  return as_ints(x) & 0x7FFFFFFF;
}
PRECIPICE_HD std::int64_t pattern_of(double x) {
  return __builtin_bit_cast(std::int64_t, x) & 0x7FFFFFFFFFFFFFFF;
}

PRECIPICE_HD std::int32_t largest_lane(Ints x) {
  std::int32_t largest = 0;
  for (int i = 0; i < kWidth; ++i) largest = x[i] > largest ? x[i] : largest;
  return largest;
}

// --- Comparisons: Mask is what they give, Counter how often it was true in all. ---

#if defined(__AVX512F__)

PRECIPICE_HD __m512i as_m512i(Ints x) {
  return reinterpret_cast<__m512i>(x);
}

// A mask register, of which the count is one instruction.
using Mask = __mmask16;
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
struct Counter {
  std::int32_t sum = 0;
  PRECIPICE_HD void add(Mask mask) { sum += __builtin_popcount(mask); }
  PRECIPICE_HD std::int32_t total() const { return sum; }
};

#else

// A vector, too, of zeros and of ones in every bit.
using Mask = Ints;
PRECIPICE_HD Mask greater(Ints a, Ints b) {
  return a > b;
}
PRECIPICE_HD Mask greater_unsigned(Ints a, Ints b) {
  const Ints sign = Ints{} - 0x7FFFFFFF - 1;
  return (a ^ sign) > (b ^ sign);
}
PRECIPICE_HD bool any(Mask mask) {
#if defined(__AVX2__)
  return _mm256_movemask_epi8(reinterpret_cast<__m256i>(mask)) != 0;
#else
  return (mask[0] | mask[1] | mask[2] | mask[3]) != 0;
#endif
}
PRECIPICE_HD Ints select(Mask mask, Ints yes, Ints no) {
  return (yes & mask) | (no & ~mask);
}
struct Counter {
  Ints sums = {};
  PRECIPICE_HD void add(Mask mask) { sums -= mask; }
  PRECIPICE_HD std::int32_t total() const {
    std::int32_t total = 0;
    for (int i = 0; i < kWidth; ++i) total += sums[i];
    return total;
  }
};

#endif

// --- What the operators lack: each set in its own words. ---
//
// shift_left, shift_right   by counts of their own, as unsigned numbers; zeros from 32 on
// store_high_halves         the upper 16 bits of each number
// stream_line, end_stream   64 bytes past the caches, where the CPU can; `to` is aligned
// LanesWideProduct          the lanes' low 32 bits times a factor, 64 bits of it (random_bits.h)

#if defined(__AVX512F__)

// The forms with a mask of all lanes: in the others g++ 12 warns of an uninitialised register of its own.
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
PRECIPICE_HD void stream_line(const void* from, void* to) {
  _mm512_stream_si512(reinterpret_cast<__m512i*>(to), _mm512_loadu_si512(from));
}
struct LanesWideProduct {
  PRECIPICE_HD Lanes operator()(std::uint32_t factor, Lanes lanes) const {
    const auto factors = _mm512_set1_epi64(static_cast<long long>(factor));
    return reinterpret_cast<Lanes>(_mm512_maskz_mul_epu32(0xFF, reinterpret_cast<__m512i>(lanes), factors));
  }
};

#elif defined(__AVX2__)

PRECIPICE_HD __m256i as_m256i(Ints x) {
  return reinterpret_cast<__m256i>(x);
}
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
PRECIPICE_HD void stream_line(const void* from, void* to) {
  const auto* source = static_cast<const __m256i*>(from);
  auto* target = static_cast<__m256i*>(to);
  for (int i = 0; i < 2; ++i) _mm256_stream_si256(target + i, _mm256_loadu_si256(source + i));
}
struct LanesWideProduct {
  PRECIPICE_HD Lanes operator()(std::uint32_t factor, Lanes lanes) const {
    const auto factors = _mm256_set1_epi64x(static_cast<long long>(factor));
    return reinterpret_cast<Lanes>(_mm256_mul_epu32(reinterpret_cast<__m256i>(lanes), factors));
  }
};

#else

PRECIPICE_HD Ints shift_left(Ints x, Ints counts) {
  Ints result;
  for (int i = 0; i < kWidth; ++i) {
    const auto count = static_cast<std::uint32_t>(counts[i]);
    result[i] = count < 32 ? static_cast<std::int32_t>(static_cast<std::uint32_t>(x[i]) << count) : 0;
  }
  return result;
}
PRECIPICE_HD Ints shift_right(Ints x, Ints counts) {
  Ints result;
  for (int i = 0; i < kWidth; ++i) {
    const auto count = static_cast<std::uint32_t>(counts[i]);
    result[i] = count < 32 ? static_cast<std::int32_t>(static_cast<std::uint32_t>(x[i]) >> count) : 0;
  }
  return result;
}
PRECIPICE_HD void store_high_halves(Ints x, std::uint16_t* to) {
  for (int i = 0; i < kWidth; ++i) to[i] = static_cast<std::uint16_t>(static_cast<std::uint32_t>(x[i]) >> 16);
}
PRECIPICE_HD void stream_line(const void* from, void* to) {
#if defined(__SSE2__)
  const auto* source = static_cast<const __m128i*>(from);
  auto* target = static_cast<__m128i*>(to);
  for (int i = 0; i < 4; ++i) _mm_stream_si128(target + i, _mm_loadu_si128(source + i));
#else
  __builtin_memcpy(to, from, 64);
#endif
}
struct LanesWideProduct {
  PRECIPICE_HD Lanes operator()(std::uint32_t factor, Lanes lanes) const {
#if defined(__SSE2__)
    // g++ 12 makes three multiplications of the other form.
    return reinterpret_cast<Lanes>(_mm_mul_epu32(reinterpret_cast<__m128i>(lanes), _mm_set1_epi64x(factor)));
#else
    return (lanes & 0xFFFFFFFFu) * factor;
#endif
  }
};

#endif

PRECIPICE_HD void end_stream() {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}

}  // namespace
}  // namespace precipice
