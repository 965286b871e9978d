// SPDX-License-Identifier: Apache-2.0
// The loops of pack_kernels-inl.h, compiled for AVX-512; nothing on other CPUs.
#if defined(__x86_64__)

#include <cstdint>

#include "precision/pack_kernels.h"

namespace precipice::avx512 {
namespace {

constexpr std::int64_t kTile = 16;
using Words = std::uint32_t __attribute__((vector_size(64)));

// Rows i and i + kDistance exchange the halves of each group of 2 kDistance words: after the distances 1, 2, 4 and 8
// every bit of a word's row number has changed places with that of its column.
template <std::uint32_t kDistance>
inline __attribute__((always_inline)) void exchange(Words (&row)[kTile]) {
  Words low, high;  // lanes of a row, and from 16 on of its partner
  for (std::uint32_t lane = 0; lane < kTile; ++lane) {
    const bool is_low = (lane & kDistance) == 0;
    low[lane] = is_low ? lane : lane - kDistance + 16;
    high[lane] = is_low ? lane + kDistance : lane + 16;
  }
#pragma GCC unroll 16
  for (std::uint32_t i = 0; i < kTile; ++i) {
    if ((i & kDistance) != 0) continue;
    const Words first = row[i], second = row[i + kDistance];
    row[i] = __builtin_shuffle(first, second, low);
    row[i + kDistance] = __builtin_shuffle(first, second, high);
  }
}

inline void transpose_tile(const std::uint32_t* in, std::int64_t in_stride, std::uint32_t* out,
                           std::int64_t out_stride) {
  Words row[kTile];
#pragma GCC unroll 16
  for (std::int64_t r = 0; r < kTile; ++r) __builtin_memcpy(&row[r], in + r * in_stride, sizeof(Words));
  exchange<1>(row), exchange<2>(row), exchange<4>(row), exchange<8>(row);
#pragma GCC unroll 16
  for (std::int64_t c = 0; c < kTile; ++c) __builtin_memcpy(out + c * out_stride, &row[c], sizeof(Words));
}

}  // namespace
#include "precision/pack_kernels-inl.h"
}  // namespace precipice::avx512

#endif
