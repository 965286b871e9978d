// SPDX-License-Identifier: Apache-2.0
// The array loops around round_to_format, written once as plain loops that the compiler vectorises. Included by one
// file per instruction set, inside that set's namespace; everything here has internal linkage and calls only
// always_inline functions, so that no function compiled for AVX-512 can be what the linker keeps for all CPUs.
// A tensor goes by in chunks that stay in the first-level cache with their random words and 32-bit event counts.
// Expects precision/kernels/quantize_isa.h and <bit> to be included, and Lanes and LanesWideProduct (random_bits.h) to
// be declared in the surrounding namespace.

#include "precision/kernels/random_words-inl.h"
#include "precision/kernels/vector_rounding-inl.h"

namespace {

constexpr int kChunk = 2048;
static_assert(kChunk % (1 << kMaxBlockShift) == 0);
// Of one block more than fit when the first starts inside, in whole vectors; the second, where elements share words.
constexpr int kWords = kChunk + 32, kSharedWords = kChunk / 2 + 40;

// random_for (random_bits.h) of an array: numbers of elements first .. first + size - 1, with the high random_bits to
// be used, at the place that is returned, which is inside `words`.
const std::uint32_t* fill_random(std::uint32_t* words, const RandomKey& key, std::uint64_t first, int size,
                                 int random_bits) {
  const auto parts = static_cast<std::uint64_t>(parts_of_word(random_bits));
  const std::uint64_t first_word = first / parts;
  const auto count = static_cast<int>((first + static_cast<std::uint64_t>(size) + parts - 1) / parts - first_word);
  if (parts == 1) {
    fill_words(words, key, first, size);
    return words + first % 4;
  }
  alignas(64) std::uint32_t packed[kSharedWords];
  fill_words(packed, key, first_word, count);
  const std::uint32_t* const from = packed + first_word % 4;
  if (parts == 4) {
    std::uint8_t numbers[4 * kSharedWords];
    __builtin_memcpy(numbers, from, static_cast<std::size_t>(count) * sizeof(std::uint32_t));
    for (int i = 0; i < size; ++i) words[i] = std::uint32_t{numbers[static_cast<std::size_t>(i) + first % 4]} << 24;
  } else {
    std::uint16_t numbers[2 * kSharedWords];
    __builtin_memcpy(numbers, from, static_cast<std::size_t>(count) * sizeof(std::uint32_t));
    for (int i = 0; i < size; ++i) words[i] = std::uint32_t{numbers[static_cast<std::size_t>(i) + first % 2]} << 16;
  }
  return words;
}

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

constexpr bool goes_by_vectors(Rounding rounding) {
  return rounding == Rounding::NearestEven || rounding == Rounding::Stochastic;
}

// Whether numbers up to this pattern are small enough for vector_rounding-inl.h.
template <Rounding R>
bool is_ordinary(const QuantizeCall& call, std::int32_t largest_scaled) {
  const std::int32_t to_last_place = R == Rounding::NearestEven ? call.format.normal_drop << 23 : 0;
  return largest_scaled < kInfinityPattern - to_last_place;
}

// round_chunk for the other modes' ordinary chunks: the same results and counts with no NaN or infinity at the input.
template <Rounding R, bool kCount>
ChunkCounts round_finite(const float* in, float* out, int size, const QuantizeCall& call, const std::uint32_t* words) {
  const FormatConstants format = call.format;
  const int random_bits = call.random_bits;
  const float scale = call.scale;
  const std::uint32_t subnormals = call.subnormal_patterns;
  const std::int32_t max_finite = format.positive.max_finite, overflow = format.positive.overflow;
  const std::int32_t smallest = format.smallest;
  const std::uint32_t sign_of_zero = format.sign_of_zero;
  std::int32_t beyond = 0, nonfinite_out = 0, underflowed = 0, subnormal = 0;
  PRECIPICE_INDEPENDENT_LOOP
  for (int i = 0; i < size; ++i) {
    const float x = in[i];
    const auto bits = __builtin_bit_cast(std::uint32_t, x * scale);
    const auto pattern = static_cast<std::int32_t>(bits & ~kSignBit);
    const bool negative = (bits & kSignBit) != 0;
    const auto rounded = static_cast<std::int32_t>(
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

template <Rounding R>
ChunkCounts round_finite(const float* in, float* out, int size, const QuantizeCall& call, const std::uint32_t* words) {
  return call.count ? round_finite<R, true>(in, out, size, call, words)
                    : round_finite<R, false>(in, out, size, call, words);
}

// Nearest-even to bf16 with its own infinities, which is an addition to the pattern: where nothing is counted. The
// largest pattern.
std::int32_t scale_to_bf16(const float* in, float* out, int size, float scale) {
  std::int32_t largest = 0;
  PRECIPICE_INDEPENDENT_LOOP
  for (int i = 0; i < size; ++i) {
    const float x = in[i];
    const auto bits = __builtin_bit_cast(std::uint32_t, x * scale);
    const std::uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) & 0xFFFF0000u;
    const bool is_nan = (bits & 0x7FFFFFFFu) > 0x7F800000u;
    out[i] = __builtin_bit_cast(float, is_nan ? bits : rounded);
    const std::int32_t pattern = pattern_of(x);
    largest = pattern > largest ? pattern : largest;
  }
  return largest;
}

struct PackedEnds {
  std::int32_t largest;    // pattern before the scale
  std::uint32_t smallest;  // as smallest_of_packed
};

// The same, packed in the same pass.
PackedEnds scale_to_packed_bf16(const float* in, std::uint16_t* out, int size, float scale) {
  PackedEnds ends{0, ~0u};
  for (int i = 0; i < size; ++i) {
    const float x = in[i];
    const auto bits = __builtin_bit_cast(std::uint32_t, x * scale);
    const bool is_nan = (bits & 0x7FFFFFFFu) > 0x7F800000u;
    const std::uint32_t rounded = is_nan ? bits | 0x400000u : bits + 0x7FFFu + ((bits >> 16) & 1u);
    out[i] = static_cast<std::uint16_t>(rounded >> 16);
    const std::int32_t pattern = pattern_of(x);
    const std::uint32_t less_one = (rounded & 0x7FFF0000u) - 1;  // zero wraps around to the largest
    ends.largest = pattern > ends.largest ? pattern : ends.largest;
    ends.smallest = less_one < ends.smallest ? less_one : ends.smallest;
  }
  return ends;
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

ChunkCounts round_by_vectors(const OrdinaryPlaces& places, const QuantizeCall& call, OrdinaryCounts& counts) {
  const bool mixed = counts.mixed > places.size / kWidth / 4;  // of the chunk before
  counts = call.rounding == Rounding::NearestEven ? round_ordinary_with<NearestByAddition>(places, call)
           : mixed                                ? round_ordinary_with<StochasticByCutting<true>>(places, call)
                                                  : round_ordinary_with<StochasticByCutting<false>>(places, call);
  const bool is_finite = call.format.positive.overflow < kInfinityPattern;
  return {0, is_finite ? 0 : counts.beyond, counts.beyond, counts.underflowed, counts.subnormal};
}

template <Rounding R, bool General, class Source>
EventCounts quantize_as(const QuantizeCallOf<Source>& call) {
  alignas(64) float staged[kChunk], unpacked[kChunk], spread[kChunk];
  alignas(64) std::uint16_t halves[kChunk];
  alignas(64) std::uint32_t words[kWords];
  using Int = typename Source::Int;
  EventCounts total;
  Int largest = 0;
  std::uint32_t smallest = ~0u;
  OrdinaryCounts ordinary;
  for (std::int64_t begin = 0; begin < call.size; begin += kChunk) {
    const int size = static_cast<int>(call.size - begin < kChunk ? call.size - begin : kChunk);
    const typename Source::Float* source = call.in + begin;
    float* const out = call.packed == nullptr && !call.stream ? call.out + begin : unpacked;
    std::uint16_t* const packed = call.packed == nullptr ? nullptr : call.stream ? halves : call.packed + begin;
    const auto finish = [&](Int own_largest, const ChunkCounts& counts, bool is_packed = false,
                            bool knows_smallest = false) {
      largest = own_largest > largest ? own_largest : largest;
      add(total, counts);
      if (packed != nullptr && !is_packed) pack_bf16(unpacked, packed, size);
      if (packed != nullptr && call.smallest_result != nullptr && !knows_smallest) {
        const std::uint32_t own = smallest_of_packed(packed, size);
        smallest = own < smallest ? own : smallest;
      }
      if (!call.stream) return;
      if (packed != nullptr)
        stream(halves, call.packed + begin, static_cast<std::size_t>(size) * sizeof(std::uint16_t));
      else
        stream(unpacked, call.out + begin, static_cast<std::size_t>(size) * sizeof(float));
    };
    if constexpr (Source::kMantissa == Binary32::kMantissa) {
      if (call.through_bf16) {
        round_chunk_to_bf16(source, staged, size, call.bf16);
        source = staged;
      }
    }
    const std::uint64_t first = call.first_element + static_cast<std::uint64_t>(begin);
    const std::uint32_t* const random =
        is_stochastic(R) ? fill_random(words, call.key, first, size, call.random_bits) : words;
    const float* own = call.multipliers == nullptr ? nullptr : call.multipliers + (begin >> call.block_shift);
    if constexpr (R == Rounding::NearestEven && !General && Source::kMantissa == Binary32::kMantissa) {
      if (!call.count && call.is_bf16 && own == nullptr) {
        if (packed == nullptr) {
          finish(scale_to_bf16(source, out, size, call.scale), {});
        } else {
          const PackedEnds ends = scale_to_packed_bf16(source, packed, size, call.scale);
          smallest = ends.smallest < smallest ? ends.smallest : smallest;
          finish(ends.largest, {}, true, true);
        }
        continue;
      }
    }
    if constexpr (!General && Source::kMantissa == Binary32::kMantissa && goes_by_vectors(R)) {
      // The last: no power of two that numbers are added to lies beyond 2^127.
      if (call.format.normal_drop > 0 && !call.divide && call.format.drop_origin < kInfinityPattern >> 23) {
        if (source == out)
          source = static_cast<const float*>(
              __builtin_memcpy(staged, source, sizeof(float) * static_cast<std::size_t>(size)));
        const ChunkCounts counts =
            round_by_vectors({source, out, packed, own, random, size, call.block_shift}, call, ordinary);
        const std::int32_t scaled = own != nullptr
                                        ? ordinary.largest_scaled
                                        : pattern_of(__builtin_bit_cast(float, ordinary.largest) * call.scale);
        if (ordinary.largest < kInfinityPattern && is_ordinary<R>(call, scaled)) {
          finish(ordinary.largest, counts, packed != nullptr);
          continue;
        }
      }
    }
    Int before = 0, scaled = 0;
    if (own == nullptr) {
      before = largest_pattern(source, size);
      if constexpr (Source::kMantissa == Binary32::kMantissa)
        scaled = pattern_of(__builtin_bit_cast(float, before) * call.scale);
    } else if constexpr (Source::kMantissa == Binary32::kMantissa) {
      if (call.block_shift > 0) {
        expand(own, std::int64_t{1} << call.block_shift, spread, size);
        own = spread;
      }
      const ScaledChunk chunk = scale_chunk(source, own, staged, size, call.divide);
      source = staged;
      before = chunk.largest;
      scaled = chunk.largest_scaled;
      if (!General || call.format.below_smallest == 0) total.underflowed += static_cast<std::uint64_t>(chunk.vanished);
      total.nan_in -= static_cast<std::uint64_t>(chunk.spoiled);
      total.overflowed += static_cast<std::uint64_t>(chunk.spoiled);
    }
    if constexpr (!General && Source::kMantissa == Binary32::kMantissa && !goes_by_vectors(R)) {
      if (before < kInfinityPattern && scaled < kInfinityPattern) {
        finish(before, round_finite<R>(source, out, size, call, random));
        continue;
      }
    }
    finish(before, round_chunk<R, General, Source>(source, out, size, call, random));
  }
  if (call.stream) end_stream();
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
