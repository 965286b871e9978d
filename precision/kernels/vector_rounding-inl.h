// SPDX-License-Identifier: Apache-2.0
// Nearest-even and stochastic rounding of finite chunks of plain formats, vector by vector: the same results and counts
// as round_to_format for formats that are not `general` and numbers that stay finite. One pass rounds, counts and takes
// amax, whether the chunk was a finite one is known at its end, and one that was not is done again by the caller: so
// memory is read at the pace of the arithmetic. Events are comparisons of the rounded magnitude with ends of ranges.
// Included by one file per instruction set, inside that set's namespace. Expects quantize_isa.h, vector.h
// and fast_rounding-inl.h.

namespace {

// What is known after one pass: events, and patterns of the largest input and of its product with the scale. Filled in
// where it lies, as copies of it cost a chunk of 2048 numbers 2.6 % of its time on AVX2.
struct VectorPass {
  EventCounts events;
  std::int32_t largest = 0, largest_scaled = 0;
  std::int32_t mixed = 0;  // vectors with numbers below the smallest normal, where the rounding asks
};

// Which of the by-products are wanted, and where results go.
struct ChunkPlaces {
  const float* in;
  float* out;
  std::uint16_t* packed;     // not null: in place of out
  const float* multipliers;  // null, or of element i the one at i >> block_shift
  const std::uint32_t* words;
  int size, block_shift;
};

// What an element is multiplied by: the call's scale, or a multiplier of its own or of its block, which holds whole
// vectors.
enum class Multiply : std::uint8_t { Scale, Own, Block };

// kPlain: the smallest result is the quantum, and zeros keep their sign.
template <class Round, Multiply kBy, bool kCount, bool kPack, bool kPlain>
void round_vectors_as(const ChunkPlaces& places, const QuantizeCall& call, VectorPass& pass) {
  Round round(call);
  const float* const in = places.in;
  float* const out = places.out;
  std::uint16_t* const packed = places.packed;
  const Floats scale = Floats{} + call.scale;
  const Ints max_finite = all(call.format.positive.max_finite), end = all(call.format.positive.overflow);
  const Ints smallest = all(call.format.smallest),
             min_normal = all(static_cast<std::int32_t>(call.subnormal_patterns) + 1);
  const Ints sign_of_zero = all(static_cast<std::int32_t>(call.format.sign_of_zero));
  const Ints magnitude = all(0x7FFFFFFF);
  Counter beyond, zeros, low, zeros_in;
  Ints largest = {}, largest_scaled = {};
  const auto round_vector = [&](const float* from, const float* own, const std::uint32_t* words) PRECIPICE_ALWAYS {
    Floats x, multipliers = scale;
    __builtin_memcpy(&x, from, sizeof(x));
    if constexpr (kBy == Multiply::Own) __builtin_memcpy(&multipliers, own, sizeof(multipliers));
    if constexpr (kBy == Multiply::Block) multipliers = Floats{} + *own;
    const Ints bits = as_ints(x * multipliers), before = as_ints(x) & magnitude, pattern = bits & magnitude;
    largest = larger(largest, before);
    if constexpr (kBy != Multiply::Scale) largest_scaled = larger(largest_scaled, pattern);
    const Ints rounded = round(pattern, words);
    const Mask is_beyond = greater(rounded, max_finite);
    Ints number = select(is_beyond, end, rounded), sign = bits & ~magnitude;
    if constexpr (!kPlain) {
      const Mask is_zero = greater(smallest, rounded);
      number = select(is_zero, Ints{}, number);
      sign = select(is_zero, sign & sign_of_zero, sign);
    }
    if constexpr (kCount) {
      beyond.add(is_beyond);
      if (!round.all_normal) {
        zeros.add(greater(smallest, rounded));
        low.add(greater(min_normal, rounded));
        zeros_in.add(greater(all(1), before));
      }
    }
    return number | sign;
  };
  const int block_shift = kBy == Multiply::Block ? places.block_shift : 0;
  const auto multipliers_of = [&](int at) { return places.multipliers + (at >> block_shift); };
  int i = 0;
  for (; i + kWidth <= places.size; i += kWidth) {
    const Ints result = round_vector(in + i, multipliers_of(i), places.words + i);
    if constexpr (kPack)
      store_high_halves(result, packed + i);
    else
      __builtin_memcpy(out + i, &result, sizeof(result));
  }
  if (i < places.size) {
    // Zeros behind the end: they are no event.
    const auto rest = static_cast<std::size_t>(places.size - i);
    float x[kWidth] = {}, own[kWidth] = {};
    std::uint32_t words[kWidth] = {};
    __builtin_memcpy(x, in + i, rest * sizeof(float));
    if constexpr (kBy == Multiply::Own) __builtin_memcpy(own, places.multipliers + i, rest * sizeof(float));
    if constexpr (kBy == Multiply::Block) own[0] = *multipliers_of(i);
    __builtin_memcpy(words, places.words + i, rest * sizeof(std::uint32_t));
    const Ints result = round_vector(x, own, words);
    std::uint16_t halves[kWidth];
    if constexpr (kPack) {
      store_high_halves(result, halves);
      __builtin_memcpy(packed + i, halves, rest * sizeof(std::uint16_t));
    } else {
      __builtin_memcpy(out + i, &result, rest * sizeof(float));
    }
  }
  const std::int32_t past_end = beyond.total(), zero = zeros.total();
  const std::int32_t nonfinite = call.format.positive.overflow < kInfinityPattern ? 0 : past_end;
  pass.events = events_of(0, nonfinite, past_end, zero - zeros_in.total(), low.total() - zero);
  pass.largest = largest_lane(largest);
  pass.largest_scaled = largest_lane(largest_scaled);
  pass.mixed = round.mixed;
}

template <class Round, Multiply kBy, bool kCount, bool kPack>
void round_vectors_with(const ChunkPlaces& places, const QuantizeCall& call, VectorPass& pass) {
  const bool is_plain = call.format.smallest == call.smallest_quantum && call.format.sign_of_zero == kSignBit;
  return is_plain ? round_vectors_as<Round, kBy, kCount, kPack, true>(places, call, pass)
                  : round_vectors_as<Round, kBy, kCount, kPack, false>(places, call, pass);
}

template <class Round, Multiply kBy, bool kCount>
void round_vectors_with(const ChunkPlaces& places, const QuantizeCall& call, VectorPass& pass) {
  return places.packed != nullptr ? round_vectors_with<Round, kBy, kCount, true>(places, call, pass)
                                  : round_vectors_with<Round, kBy, kCount, false>(places, call, pass);
}

template <class Round, Multiply kBy>
void round_vectors_with(const ChunkPlaces& places, const QuantizeCall& call, VectorPass& pass) {
  return call.count ? round_vectors_with<Round, kBy, true>(places, call, pass)
                    : round_vectors_with<Round, kBy, false>(places, call, pass);
}

template <class Round>
void round_vectors_with(const ChunkPlaces& places, const QuantizeCall& call, VectorPass& pass) {
  if (places.multipliers == nullptr) return round_vectors_with<Round, Multiply::Scale>(places, call, pass);
  return places.block_shift > 0 ? round_vectors_with<Round, Multiply::Block>(places, call, pass)
                                : round_vectors_with<Round, Multiply::Own>(places, call, pass);
}

// 64 bytes at a time once `to` is aligned.
void stream(const void* from, void* to, std::size_t bytes) {
  const auto* source = static_cast<const char*>(from);
  auto* target = static_cast<char*>(to);
  const std::size_t unaligned = -reinterpret_cast<std::uintptr_t>(to) % 64,
                    head = unaligned < bytes ? unaligned : bytes;
  __builtin_memcpy(target, source, head);
  std::size_t done = head;
  for (; done + 64 <= bytes; done += 64) stream_line(source + done, target + done);
  __builtin_memcpy(target + done, source + done, bytes - done);
}

}  // namespace
