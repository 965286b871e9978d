// SPDX-License-Identifier: Apache-2.0
// The seam between the run-time choice (isa.h) and the array loops compiled once per instruction set
// (quantize_generic.cpp, quantize_avx2.cpp, quantize_avx512.cpp). Tests use it to compare them in one process.
#pragma once

#include <cstdint>
#include <string>

#include "precision/base/host_device.h"
#include "precision/format/bf16_bits.h"
#include "precision/format/format_codes.h"
#include "precision/kernels/block_kernels.h"
#include "precision/kernels/quantize_kernels.h"
#include "precision/rounding/round_to_format.h"

namespace precipice {

// Results of this many bytes are out of the caches before anybody reads them; written past the caches, memory need not
// be read for them first.
inline constexpr std::int64_t kStreamedBytes = std::int64_t{1} << 25;

}  // namespace precipice

// Before a loop whose iterations are independent even where its output is its input.
#if defined(__clang__)
#define PRECIPICE_INDEPENDENT_LOOP _Pragma("clang loop vectorize(assume_safety)")
#else
#define PRECIPICE_INDEPENDENT_LOOP _Pragma("GCC ivdep")
#endif

namespace precipice {

// Blocks that hold whole vectors of every instruction set, and of which the loops' chunks hold whole ones.
inline constexpr int kMinBlockShift = 4, kMaxBlockShift = 11;

// Any NaN comes out as the one quiet NaN, so that amax does not depend on which of several NaNs was met.
PRECIPICE_HD float amax_of_pattern(std::int32_t pattern) {
  return __builtin_bit_cast(float, pattern > kInfinityPattern ? Binary32::kQuietNan : pattern);
}
PRECIPICE_HD float amax_of_pattern(std::int64_t pattern) {
  return pattern > Binary64::kInfinity ? amax_of_pattern(Binary32::kQuietNan)
                                       : static_cast<float>(__builtin_bit_cast(double, pattern));
}

// A number without some bits of its exponent; infinities and NaN stay.
PRECIPICE_HD float keep_bits(float x, std::uint32_t kept) {
  const auto bits = __builtin_bit_cast(std::uint32_t, x);
  const bool is_finite = (bits & 0x7F800000u) != 0x7F800000u;
  return __builtin_bit_cast(float, is_finite ? (bits & kept) : bits);
}

// A call of quantize() with everything that can fail already checked.
template <class Source>
struct QuantizeCallOf {
  const typename Source::Float* in;
  float* out;
  std::int64_t size;
  FormatConstantsOf<Source> format;
  std::uint32_t subnormal_patterns;  // results with binary32 patterns 1 .. this are below the smallest normal
  std::int32_t smallest_quantum;     // binary32 pattern of 2^(emin - M)
  FormatConstants bf16;              // used when through_bf16
  Rounding rounding;
  int random_bits;
  bool through_bf16;  // not for binary64
  float scale;
  RandomKey key;
  std::uint64_t first_element;
  // Not null, not for binary64: element i is multiplied by multipliers[i >> block_shift] (or divided, when `divide`),
  // and scale is 1. block_shift is 0 or from kMinBlockShift to kMaxBlockShift.
  const float* multipliers = nullptr;
  int block_shift = 0;
  bool divide = false;
  // Not null: results go here as bf16 numbers, which they must be, and not to `out`.
  std::uint16_t* packed = nullptr;
  // Not null: lowered to the binary32 pattern of the smallest nonzero magnitude among packed results, less one.
  std::uint32_t* smallest_result = nullptr;
  bool is_bf16 = false;           // the format is bf16 with its own infinities
  bool count = true;              // false: of the events only total and amax are wanted
  bool stream = false;            // results are written past the caches
  std::uint32_t kept_bits = ~0u;  // of numbers that went through bf16: ElementQuantizer::kept_exponent_bits
};
using QuantizeCall = QuantizeCallOf<Binary32>;
using WideQuantizeCall = QuantizeCallOf<Binary64>;

QuantizeCall prepare_call(const float* in, float* out, std::int64_t size, const ElementQuantizer& spec, float scale,
                          const RandomKey& key, std::uint64_t first_element);
WideQuantizeCall prepare_call(const double* in, float* out, std::int64_t size, const ElementQuantizer& spec,
                              float scale, const RandomKey& key, std::uint64_t first_element);

struct QuantizeKernels {
  EventCounts (*quantize)(const QuantizeCall& call);
  EventCounts (*quantize_wide)(const WideQuantizeCall& call);
  float (*amax)(const float* in, std::int64_t size);
  void (*encode)(const float* in, std::uint32_t* out, std::int64_t size, const CodeConstants& codes);
  BlockKernels blocks;
};

namespace generic {
extern const QuantizeKernels kKernels;
}
namespace avx2 {
extern const QuantizeKernels kKernels;
}
namespace avx512 {
extern const QuantizeKernels kKernels;
}

}  // namespace precipice
