// SPDX-License-Identifier: Apache-2.0
// The array loops around round_to_format, written once as plain loops that the compiler vectorises. Included by one
// file per instruction set, inside that set's namespace; everything here has internal linkage and calls only
// always_inline functions, so that no function compiled for AVX-512 can be what the linker keeps for all CPUs.
// A tensor goes by in chunks that stay in the first-level cache with their random words and 32-bit event counts.
// Expects precision/quantize_isa.h and <bit> to be included, and Lanes and LanesWideProduct (random_bits.h) to be
// declared in the surrounding namespace.

#include "precision/random_words-inl.h"

namespace {

constexpr int kChunk = 2048;
constexpr int kBlocks = kChunk / 4 + 8;  // one more than fit when the first starts inside, in whole vectors

struct ChunkCounts {
  std::int32_t nan_in = 0;
  std::int32_t nonfinite_out = 0;
  std::int32_t beyond = 0;
  std::int32_t underflowed = 0;
  std::int32_t subnormal = 0;
};

PRECIPICE_HD std::int32_t pattern_of(float x) {
  return __builtin_bit_cast(std::int32_t, x) & 0x7FFFFFFF;
}
PRECIPICE_HD std::int64_t pattern_of(double x) {
  return __builtin_bit_cast(std::int64_t, x) & 0x7FFFFFFFFFFFFFFF;
}

// Any NaN comes out as the one quiet NaN, so that amax does not depend on which of several NaNs was met.
PRECIPICE_HD float amax_of_pattern(std::int32_t pattern) {
  return __builtin_bit_cast(float, pattern > kInfinityPattern ? Binary32::kQuietNan : pattern);
}
PRECIPICE_HD float amax_of_pattern(std::int64_t pattern) {
  return pattern > Binary64::kInfinity ? amax_of_pattern(Binary32::kQuietNan)
                                       : static_cast<float>(__builtin_bit_cast(double, pattern));
}

// `in` may be `out`.
template <Rounding R, bool General, class Source>
ChunkCounts round_chunk(const typename Source::Float* in, float* out, int size, const QuantizeCallOf<Source>& call,
                        const std::uint32_t* words) {
  const FormatConstantsOf<Source> format = call.format;
  const int random_bits = call.random_bits;
  const auto scale = static_cast<typename Source::Float>(call.scale);
  const std::uint32_t subnormals = call.subnormal_patterns;
  // Scalars, not a struct: g++ keeps these in vector registers.
  std::int32_t nan_in = 0, nonfinite_out = 0, beyond = 0, underflowed = 0, subnormal = 0;
  PRECIPICE_INDEPENDENT_LOOP
  for (int i = 0; i < size; ++i) {
    const typename Source::Float x = in[i];
    const Rounded rounded =
        round_and_check<R, General, Source>(x * scale, format, is_stochastic(R) ? words[i] : 0, random_bits);
    out[i] = rounded.value;
    const auto before = pattern_of(x);
    const std::int32_t after = pattern_of(rounded.value);
    nan_in += before > Source::kInfinity;
    nonfinite_out += after >= kInfinityPattern;
    beyond += rounded.beyond;
    if constexpr (General)
      underflowed += static_cast<std::int32_t>((after == 0) & (before != 0)) & (1 - rounded.beyond);
    else
      underflowed += (after == 0) & (before != 0);
    subnormal += static_cast<std::uint32_t>(after - 1) < subnormals;  // zero wraps around to the largest
  }
  return {nan_in, nonfinite_out, beyond, underflowed, subnormal};
}

// Largest pattern of a chunk; of several NaNs any.
template <class Float>
auto largest_pattern(const Float* in, int size) {
  auto largest = pattern_of(Float{0});
  for (int i = 0; i < size; ++i) {
    const auto pattern = pattern_of(in[i]);
    largest = pattern > largest ? pattern : largest;
  }
  return largest;
}

// Nearest-even in the format's range and beyond it, by the processor's own rounding: in y + c, with c the power of two
// whose last place is the quantum of y, the sum lies between c and 2c and is rounded to that place, ties to even; the
// difference is exact. The significands of c + y and of y itself are even together as c is 2^23 quanta. Needs M <= 22,
// so that y <= 2^23 quanta, c <= 2^127, and M > 0 for ties, as odd_code has it.
PRECIPICE_HD std::int32_t nearest_even_by_addition(std::int32_t pattern, std::int32_t lowest_binade,
                                                   std::int32_t to_last_place) {
  const std::int32_t own_binade = pattern & kInfinityPattern;
  const std::int32_t binade = own_binade > lowest_binade ? own_binade : lowest_binade;
  const auto c = __builtin_bit_cast(float, binade + to_last_place);
  return __builtin_bit_cast(std::int32_t, (__builtin_bit_cast(float, pattern) + c) - c);
}

// Stochastic rounding of a finite number, variant A: the pattern cut at the quantum, and one quantum more if the tail
// carries. Patterns are linear within a binade and continue in the next, so both hold for normal and subnormal numbers;
// below the smallest quantum there is nothing to cut at, and the sum is 0 or that quantum.
PRECIPICE_HD std::int32_t stochastic_by_cutting(std::int32_t pattern, const FormatConstants& format,
                                                std::int32_t smallest_quantum, std::uint32_t random, int random_bits) {
  const std::int32_t field = pattern >> 23;
  const std::int32_t exponent = field > 1 ? field : 1;
  const auto significand = static_cast<std::uint32_t>(pattern - ((exponent - 1) << 23));
  const std::int32_t drop = bits_to_drop<false>(format, field, exponent);
  const std::int32_t quantum = 1 << (drop < 24 ? drop : 24);
  const bool is_below = pattern < smallest_quantum;
  const std::int32_t cut = is_below ? 0 : pattern & -quantum;
  const std::int32_t step = is_below ? smallest_quantum : quantum;
  return cut + (carries_in_32_bits(significand, drop, random, random_bits) ? step : 0);
}

// Whether a chunk with this largest pattern needs nothing but what round_ordinary does: a format that is not `general`,
// and numbers that stay finite, and small enough for nearest_even_by_addition.
template <Rounding R>
bool is_ordinary(const QuantizeCall& call, std::int32_t largest) {
  if (call.format.general || largest >= kInfinityPattern) return false;
  if (R == Rounding::NearestEven && call.format.normal_drop == 0) return false;
  const std::int32_t scaled = pattern_of(__builtin_bit_cast(float, largest) * call.scale);
  const std::int32_t to_last_place = R == Rounding::NearestEven ? call.format.normal_drop << 23 : 0;
  return scaled < kInfinityPattern - to_last_place;
}

// round_chunk for ordinary chunks: the same results and counts with no NaN or infinity at the input. With kOwn each
// element has its own multiplier.
template <Rounding R, bool kOwn, bool kCount>
ChunkCounts round_ordinary(const float* in, float* out, int size, const QuantizeCall& call, const std::uint32_t* words,
                           const float* multipliers) {
  const FormatConstants format = call.format;
  const int random_bits = call.random_bits;
  const float scale = call.scale;
  const std::uint32_t subnormals = call.subnormal_patterns;
  const std::int32_t max_finite = format.positive.max_finite, overflow = format.positive.overflow;
  const std::int32_t smallest = format.smallest;
  const std::uint32_t sign_of_zero = format.sign_of_zero;
  const std::int32_t lowest_binade = (format.drop_origin - format.normal_drop) << 23;
  const std::int32_t to_last_place = format.normal_drop << 23;
  const std::int32_t smallest_quantum = call.smallest_quantum;
  std::int32_t beyond = 0, nonfinite_out = 0, underflowed = 0, subnormal = 0;
  PRECIPICE_INDEPENDENT_LOOP
  for (int i = 0; i < size; ++i) {
    const float x = in[i];
    const auto bits = __builtin_bit_cast(std::uint32_t, x * (kOwn ? multipliers[i] : scale));
    const auto pattern = static_cast<std::int32_t>(bits & ~kSignBit);
    const bool negative = (bits & kSignBit) != 0;
    std::int32_t rounded;
    if constexpr (R == Rounding::NearestEven)
      rounded = nearest_even_by_addition(pattern, lowest_binade, to_last_place);
    else if constexpr (R == Rounding::Stochastic)
      rounded = stochastic_by_cutting(pattern, format, smallest_quantum, words[i], random_bits);
    else
      rounded = static_cast<std::int32_t>(
          round_pattern<R, false, Binary32>(pattern, negative, format, is_stochastic(R) ? words[i] : 0, random_bits));
    std::int32_t end = overflow;
    if constexpr (R == Rounding::TowardZero || R == Rounding::ToOdd) end = max_finite;
    if constexpr (R == Rounding::Up) end = negative ? max_finite : overflow;
    if constexpr (R == Rounding::Down) end = negative ? overflow : max_finite;
    const bool is_beyond = rounded > max_finite, is_zero = rounded < smallest;
    const std::int32_t bounded = is_beyond ? end : rounded;
    const std::int32_t number = is_zero ? 0 : bounded;
    const std::uint32_t sign = bits & (is_zero ? sign_of_zero : kSignBit);
    out[i] = __builtin_bit_cast(float, static_cast<std::uint32_t>(number) | sign);
    if constexpr (!kCount) continue;
    beyond += is_beyond;
    if constexpr (R == Rounding::Up || R == Rounding::Down) nonfinite_out += number >= kInfinityPattern;
    underflowed += is_zero & (pattern_of(x) != 0);
    subnormal += static_cast<std::uint32_t>(number - 1) < subnormals;
  }
  if constexpr (R != Rounding::Up && R != Rounding::Down && R != Rounding::TowardZero && R != Rounding::ToOdd)
    nonfinite_out = overflow >= kInfinityPattern ? beyond : 0;
  return {0, nonfinite_out, beyond, underflowed, subnormal};
}

template <Rounding R, bool kOwn>
ChunkCounts round_ordinary(const float* in, float* out, int size, const QuantizeCall& call, const std::uint32_t* words,
                           const float* multipliers) {
  return call.count ? round_ordinary<R, kOwn, true>(in, out, size, call, words, multipliers)
                    : round_ordinary<R, kOwn, false>(in, out, size, call, words, multipliers);
}

// Nearest-even to bf16 with its own infinities, which is an addition to the pattern: where nothing is counted.
void scale_to_bf16(const float* in, float* out, int size, float scale) {
  PRECIPICE_INDEPENDENT_LOOP
  for (int i = 0; i < size; ++i) {
    const auto bits = __builtin_bit_cast(std::uint32_t, in[i] * scale);
    const std::uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) & 0xFFFF0000u;
    const bool is_nan = (bits & 0x7FFFFFFFu) > 0x7F800000u;
    out[i] = __builtin_bit_cast(float, is_nan ? bits : rounded);
  }
}

// Largest patterns of a chunk and of its product with its elements' own multipliers.
struct LargestPatterns {
  std::int32_t before = 0, after = 0;
};
LargestPatterns largest_patterns(const float* in, const float* multipliers, int size) {
  std::int32_t before = 0, after = 0;
  for (int i = 0; i < size; ++i) {
    const std::int32_t own = pattern_of(in[i]), scaled = pattern_of(in[i] * multipliers[i]);
    before = own > before ? own : before;
    after = scaled > after ? scaled : after;
  }
  return {before, after};
}

// A chunk times (or by) its elements' own multipliers, before it is rounded with scale 1: largest patterns before and
// after, and what the product did to elements that the rounding then sees as zero or NaN.
struct ScaledChunk {
  std::int32_t largest = 0, largest_scaled = 0, vanished = 0, spoiled = 0;
};
template <bool kDivide>
ScaledChunk scale_chunk_by(const float* in, const float* multipliers, float* out, int size) {
  std::int32_t largest = 0, largest_scaled = 0, vanished = 0, spoiled = 0;
  PRECIPICE_INDEPENDENT_LOOP
  for (int i = 0; i < size; ++i) {
    const float x = in[i], y = kDivide ? x / multipliers[i] : x * multipliers[i];
    const std::int32_t before = pattern_of(x), after = pattern_of(y);
    out[i] = y;
    largest = before > largest ? before : largest;
    largest_scaled = after > largest_scaled ? after : largest_scaled;
    vanished += (after == 0) & (before != 0);
    spoiled += (after > kInfinityPattern) & (before <= kInfinityPattern);
  }
  return {largest, largest_scaled, vanished, spoiled};
}

ScaledChunk scale_chunk(const float* in, const float* multipliers, float* out, int size, bool divide) {
  return divide ? scale_chunk_by<true>(in, multipliers, out, size) : scale_chunk_by<false>(in, multipliers, out, size);
}

void round_chunk_to_bf16(const float* in, float* out, int size, const FormatConstants& bf16) {
  const FormatConstants format = bf16;
  PRECIPICE_INDEPENDENT_LOOP
  for (int i = 0; i < size; ++i) out[i] = round_and_check<Rounding::NearestEven, false>(in[i], format, 0, 0).value;
}

void add(EventCounts& total, const ChunkCounts& chunk) {
  // Every NaN at the input is a non-finite output, and every non-finite output was beyond the largest finite value.
  total.nan_in += static_cast<std::uint64_t>(chunk.nan_in);
  total.overflowed += static_cast<std::uint64_t>(chunk.nonfinite_out - chunk.nan_in);
  total.saturated += static_cast<std::uint64_t>(chunk.beyond - chunk.nonfinite_out);
  total.underflowed += static_cast<std::uint64_t>(chunk.underflowed);
  total.subnormal += static_cast<std::uint64_t>(chunk.subnormal);
}

template <Rounding R, bool General, class Source>
EventCounts quantize_as(const QuantizeCallOf<Source>& call) {
  alignas(64) float staged[kChunk], unpacked[kChunk];
  alignas(64) std::uint32_t words[4 * kBlocks];
  using Int = typename Source::Int;
  EventCounts total;
  Int largest = 0;
  std::uint32_t smallest = ~0u;
  for (std::int64_t begin = 0; begin < call.size; begin += kChunk) {
    const int size = static_cast<int>(call.size - begin < kChunk ? call.size - begin : kChunk);
    const typename Source::Float* source = call.in + begin;
    float* const out = call.packed == nullptr ? call.out + begin : unpacked;
    const auto finish = [&](const ChunkCounts& counts) {
      add(total, counts);
      if (call.packed == nullptr) return;
      const std::uint32_t own = pack_bf16(unpacked, call.packed + begin, size);
      smallest = own < smallest ? own : smallest;
    };
    if constexpr (Source::kMantissa == Binary32::kMantissa) {
      if (call.through_bf16) {
        round_chunk_to_bf16(source, staged, size, call.bf16);
        source = staged;
      }
    }
    const std::uint64_t first = call.first_element + static_cast<std::uint64_t>(begin);
    if constexpr (is_stochastic(R)) fill_words(words, call.key, first, size);
    Int chunk_largest = 0;  // of what is rounded
    if (call.multipliers == nullptr) {
      chunk_largest = largest_pattern(source, size);
      largest = chunk_largest > largest ? chunk_largest : largest;
    } else if constexpr (Source::kMantissa == Binary32::kMantissa) {
      if constexpr (!General) {
        const float* own = call.multipliers + begin;
        const bool is_known = call.largest_scaled >= 0 && is_ordinary<R>(call, call.largest_scaled);
        const LargestPatterns both =
            is_known ? LargestPatterns{call.largest, call.largest_scaled} : largest_patterns(source, own, size);
        if (!call.divide && is_ordinary<R>(call, both.after)) {
          largest = both.before > largest ? both.before : largest;
          finish(round_ordinary<R, true>(source, out, size, call, words + first % 4, own));
          continue;
        }
      }
      const ScaledChunk scaled = scale_chunk(source, call.multipliers + begin, staged, size, call.divide);
      source = staged;
      chunk_largest = scaled.largest_scaled;
      largest = scaled.largest > largest ? scaled.largest : largest;
      if (!General || call.format.below_smallest == 0) total.underflowed += static_cast<std::uint64_t>(scaled.vanished);
      total.nan_in -= static_cast<std::uint64_t>(scaled.spoiled);
      total.overflowed += static_cast<std::uint64_t>(scaled.spoiled);
    }
    if constexpr (R == Rounding::NearestEven && !General && Source::kMantissa == Binary32::kMantissa) {
      if (!call.count && call.is_bf16 && call.multipliers == nullptr) {
        scale_to_bf16(source, out, size, call.scale);
        finish({});
        continue;
      }
    }
    if constexpr (!General && Source::kMantissa == Binary32::kMantissa) {
      if (is_ordinary<R>(call, chunk_largest)) {
        finish(round_ordinary<R, false>(source, out, size, call, words + first % 4, nullptr));
        continue;
      }
    }
    finish(round_chunk<R, General, Source>(source, out, size, call, words + first % 4));
  }
  total.total = static_cast<std::uint64_t>(call.size);
  total.amax = amax_of_pattern(largest);
  if (call.smallest_result != nullptr && smallest < *call.smallest_result) *call.smallest_result = smallest;
  return total;
}

template <Rounding R, class Source>
EventCounts quantize_with(const QuantizeCallOf<Source>& call) {
  return call.format.general ? quantize_as<R, true, Source>(call) : quantize_as<R, false, Source>(call);
}

template <class Source>
EventCounts quantize_by_rounding(const QuantizeCallOf<Source>& call) {
  switch (call.rounding) {
    case Rounding::NearestEven:
      return quantize_with<Rounding::NearestEven>(call);
    case Rounding::NearestAway:
      return quantize_with<Rounding::NearestAway>(call);
    case Rounding::TowardZero:
      return quantize_with<Rounding::TowardZero>(call);
    case Rounding::Up:
      return quantize_with<Rounding::Up>(call);
    case Rounding::Down:
      return quantize_with<Rounding::Down>(call);
    case Rounding::ToOdd:
      return quantize_with<Rounding::ToOdd>(call);
    case Rounding::Stochastic:
      return quantize_with<Rounding::Stochastic>(call);
    case Rounding::StochasticB:
      return quantize_with<Rounding::StochasticB>(call);
    case Rounding::StochasticC:
      return quantize_with<Rounding::StochasticC>(call);
  }
  __builtin_unreachable();
}

float amax_of_array(const float* in, std::int64_t size) {
  std::int32_t largest = 0;
  for (std::int64_t i = 0; i < size; ++i) {
    const std::int32_t pattern = pattern_of(in[i]);
    largest = pattern > largest ? pattern : largest;
  }
  return amax_of_pattern(largest);
}

void encode_array(const float* in, std::uint32_t* out, std::int64_t size, const CodeConstants& constants) {
  const CodeConstants codes = constants;
  for (std::int64_t i = 0; i < size; ++i) out[i] = encode_value(codes, in[i]);
}

}  // namespace

const QuantizeKernels kKernels = {quantize_by_rounding<Binary32>, quantize_by_rounding<Binary64>, amax_of_array,
                                  encode_array, kBlockKernels};
