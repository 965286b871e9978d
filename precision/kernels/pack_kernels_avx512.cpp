// SPDX-License-Identifier: Apache-2.0
// The loops of pack_kernels-inl.h, compiled for AVX-512; nothing on other CPUs.
#if defined(__x86_64__)

#include <cstdint>
#include <utility>

#include "precision/base/host_device.h"
#include "precision/kernels/pack_kernels.h"
#include "precision/kernels/vector.h"

namespace precipice::avx512 {
namespace {

constexpr int kTile = 16;

// Rows i and i + kDistance exchange the halves of each group of 2 kDistance words: after the distances 1, 2, 4 and 8
// every bit of a word's row number has changed places with that of its column.
template <int kDistance, int... kLane>
PRECIPICE_HD void exchange_lanes(Uints (&row)[kTile], std::integer_sequence<int, kLane...>) {
#pragma GCC unroll 16
  for (int i = 0; i < kTile; ++i) {
    if ((i & kDistance) != 0) continue;
    const Uints first = row[i], second = row[i + kDistance];
    // Lanes of a row, and from 16 on of its partner.
    row[i] = __builtin_shufflevector(first, second, ((kLane & kDistance) == 0 ? kLane : kLane - kDistance + 16)...);
    row[i + kDistance] =
        __builtin_shufflevector(first, second, ((kLane & kDistance) == 0 ? kLane + kDistance : kLane + 16)...);
  }
}

template <int kDistance>
PRECIPICE_HD void exchange(Uints (&row)[kTile]) {
  exchange_lanes<kDistance>(row, std::make_integer_sequence<int, kTile>());
}

inline void transpose_tile(const std::uint32_t* in, std::int64_t in_stride, std::uint32_t* out,
                           std::int64_t out_stride) {
  Uints row[kTile];
#pragma GCC unroll 16
  for (std::int64_t r = 0; r < kTile; ++r) __builtin_memcpy(&row[r], in + r * in_stride, sizeof(Uints));
  exchange<1>(row), exchange<2>(row), exchange<4>(row), exchange<8>(row);
#pragma GCC unroll 16
  for (std::int64_t c = 0; c < kTile; ++c) __builtin_memcpy(out + c * out_stride, &row[c], sizeof(Uints));
}

}  // namespace
#include "precision/kernels/pack_kernels-inl.h"
}  // namespace precipice::avx512

#endif
