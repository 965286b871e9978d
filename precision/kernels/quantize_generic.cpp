// SPDX-License-Identifier: Apache-2.0
// The array loops of quantize-inl.h, compiled for the baseline of the target CPU.
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <bit>
#include <utility>

#include "precision/base/host_device.h"
#include "precision/format/log2_exponent.h"
#include "precision/kernels/hadamard_matrix.h"
#include "precision/kernels/quantize_isa.h"

namespace precipice::generic {
namespace {

using Lanes = std::uint64_t __attribute__((vector_size(16)));

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

using Ints = std::int32_t __attribute__((vector_size(16)));

PRECIPICE_HD bool any(Ints mask) {
  return (mask[0] | mask[1] | mask[2] | mask[3]) != 0;
}
// By counts of their own, as unsigned numbers; zeros from 32 on.
PRECIPICE_HD Ints shift_left(Ints x, Ints counts) {
  Ints result;
  for (int i = 0; i < 4; ++i) {
    const auto count = static_cast<std::uint32_t>(counts[i]);
    result[i] = count < 32 ? static_cast<std::int32_t>(static_cast<std::uint32_t>(x[i]) << count) : 0;
  }
  return result;
}
PRECIPICE_HD Ints shift_right(Ints x, Ints counts) {
  Ints result;
  for (int i = 0; i < 4; ++i) {
    const auto count = static_cast<std::uint32_t>(counts[i]);
    result[i] = count < 32 ? static_cast<std::int32_t>(static_cast<std::uint32_t>(x[i]) >> count) : 0;
  }
  return result;
}
PRECIPICE_HD void store_high_halves(Ints x, std::uint16_t* to) {
  for (int i = 0; i < 4; ++i) to[i] = static_cast<std::uint16_t>(static_cast<std::uint32_t>(x[i]) >> 16);
}

// 64 bytes, past the caches where the CPU can; `to` is aligned.
PRECIPICE_HD void stream_line(const void* from, void* to) {
#if defined(__SSE2__)
  const auto* source = static_cast<const __m128i*>(from);
  auto* target = static_cast<__m128i*>(to);
  for (int i = 0; i < 4; ++i) _mm_stream_si128(target + i, _mm_loadu_si128(source + i));
#else
  __builtin_memcpy(to, from, 64);
#endif
}
PRECIPICE_HD void end_stream() {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}

}  // namespace
#include "precision/kernels/lane_masks-inl.h"
// They expect it.
#include "precision/kernels/block_kernels-inl.h"
#include "precision/kernels/quantize-inl.h"
}  // namespace precipice::generic
