// SPDX-License-Identifier: Apache-2.0
// The array loops around round_to_format, written once as plain loops that the compiler vectorises. Included by one
// file per instruction set, inside that set's namespace; everything here has internal linkage and calls only
// always_inline functions, so that no function compiled for AVX-512 can be what the linker keeps for all CPUs.
// A tensor goes by in chunks that stay in the first-level cache with their random words and 32-bit event counts.
// Expects precision/kernels/quantize_isa.h, precision/kernels/vector.h and <bit> to be included.

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

// `in` may be `out`.
template <Rounding R, bool General, class Source>
EventCounts round_chunk(const typename Source::Float* in, float* out, int size, const QuantizeCallOf<Source>& call,
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
  return events_of(nan_in, nonfinite_out, beyond, underflowed, subnormal);
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

// Whether products up to this pattern are small enough for vector_rounding-inl.h: so far from binary32's end that the
// power of two that they are added to, and its double, are finite.
template <Rounding R>
bool stays_finite(const QuantizeCall& call, std::int32_t largest_scaled) {
  const std::int32_t to_last_place = R == Rounding::NearestEven ? call.format.normal_drop << 23 : 0;
  return largest_scaled < kInfinityPattern - to_last_place;
}

// A chunk times (or by) its elements' own multipliers, before it is rounded with scale 1: largest patterns before and
// after, and what the product did to elements that the rounding then sees as zero or NaN.
struct ScaledChunk {
  std::int32_t largest = 0, largest_scaled = 0, underflowed = 0, became_nan = 0;
};
template <bool kDivide>
ScaledChunk scale_chunk_by(const float* in, const float* multipliers, float* out, int size) {
  std::int32_t largest = 0, largest_scaled = 0, underflowed = 0, became_nan = 0;
  PRECIPICE_INDEPENDENT_LOOP
  for (int i = 0; i < size; ++i) {
    const float x = in[i], y = kDivide ? x / multipliers[i] : x * multipliers[i];
    const std::int32_t before = pattern_of(x), after = pattern_of(y);
    out[i] = y;
    largest = before > largest ? before : largest;
    largest_scaled = after > largest_scaled ? after : largest_scaled;
    underflowed += (after == 0) & (before != 0);
    became_nan += (after > kInfinityPattern) & (before <= kInfinityPattern);
  }
  return {largest, largest_scaled, underflowed, became_nan};
}

ScaledChunk scale_chunk(const float* in, const float* multipliers, float* out, int size, bool divide) {
  return divide ? scale_chunk_by<true>(in, multipliers, out, size) : scale_chunk_by<false>(in, multipliers, out, size);
}

void round_chunk_to_bf16(const float* in, float* out, int size, const FormatConstants& bf16) {
  const FormatConstants format = bf16;
  PRECIPICE_INDEPENDENT_LOOP
  for (int i = 0; i < size; ++i) out[i] = round_and_check<Rounding::NearestEven, false>(in[i], format, 0, 0).value;
}

// In place; how many numbers it changes.
int keep_bits_of_chunk(float* x, int size, std::uint32_t kept) {
  int changed = 0;
  PRECIPICE_INDEPENDENT_LOOP
  for (int i = 0; i < size; ++i) {
    const float before = x[i], after = keep_bits(before, kept);
    x[i] = after;
    changed += __builtin_bit_cast(std::uint32_t, before) != __builtin_bit_cast(std::uint32_t, after);
  }
  return changed;
}

// Of a chunk, whose amax is in its largest pattern.
void add(EventCounts& total, const EventCounts& chunk) {
  total.nan_in += chunk.nan_in;
  total.overflowed += chunk.overflowed;
  total.saturated += chunk.saturated;
  total.underflowed += chunk.underflowed;
  total.subnormal += chunk.subnormal;
}

void round_by_vectors(const ChunkPlaces& places, const QuantizeCall& call, VectorPass& pass) {
  const bool mixed = pass.mixed > places.size / kWidth / 4;  // of the chunk before
  if (call.rounding == Rounding::NearestEven)
    round_vectors_with<NearestByAddition>(places, call, pass);
  else if (mixed)
    round_vectors_with<StochasticByCutting<true>>(places, call, pass);
  else
    round_vectors_with<StochasticByCutting<false>>(places, call, pass);
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
  VectorPass pass;
  for (std::int64_t begin = 0; begin < call.size; begin += kChunk) {
    const int size = static_cast<int>(call.size - begin < kChunk ? call.size - begin : kChunk);
    const typename Source::Float* source = call.in + begin;
    float* const out = call.packed == nullptr && !call.stream ? call.out + begin : unpacked;
    std::uint16_t* const packed = call.packed == nullptr ? nullptr : call.stream ? halves : call.packed + begin;
    const auto finish = [&](Int own_largest, const EventCounts& counts, bool is_packed = false,
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
        if (call.kept_bits != ~0u)
          total.saturated += static_cast<std::uint64_t>(keep_bits_of_chunk(staged, size, call.kept_bits));
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
        round_by_vectors({source, out, packed, own, random, size, call.block_shift}, call, pass);
        const std::int32_t scaled =
            own != nullptr ? pass.largest_scaled : pattern_of(__builtin_bit_cast(float, pass.largest) * call.scale);
        if (pass.largest < kInfinityPattern && stays_finite<R>(call, scaled)) {
          finish(pass.largest, pass.events, packed != nullptr);
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
      if (!General || call.format.below_smallest == 0)
        total.underflowed += static_cast<std::uint64_t>(chunk.underflowed);
      total.nan_in -= static_cast<std::uint64_t>(chunk.became_nan);
      total.overflowed += static_cast<std::uint64_t>(chunk.became_nan);
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

template <class Source>
EventCounts quantize_by_rounding(const QuantizeCallOf<Source>& call) {
  return dispatch_rounding(call.rounding, [&]<Rounding R>() {
    return call.format.general ? quantize_as<R, true, Source>(call) : quantize_as<R, false, Source>(call);
  });
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
