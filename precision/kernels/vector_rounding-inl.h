// SPDX-License-Identifier: Apache-2.0
// Nearest-even and stochastic rounding of ordinary chunks, vector by vector: the same results and counts as
// round_to_format for formats that are not `general` and numbers that stay finite. One pass rounds, counts and takes
// amax, whether the chunk was ordinary is known at its end, and one that was not is done again by the caller: so memory
// is read at the pace of the arithmetic. Events are comparisons of the rounded magnitude with ends of ranges. Integers
// wrap (-fwrapv): patterns of infinity and NaN in what is done again, and 2^31, which is its own negative.
// Included by one file per instruction set, inside that set's namespace. Expects quantize_isa.h, vectors-inl.h, and in
// the surrounding namespace Mask, Counter and their functions (quantize_avx512.cpp).

namespace {

// Of what was rounded, and of its products with the scale.
struct OrdinaryCounts {
  std::int32_t beyond = 0, underflowed = 0, subnormal = 0, largest = 0, largest_scaled = 0;
  std::int32_t mixed = 0;  // vectors with numbers below the smallest normal, where the rounding asks
};

// Which of the by-products are wanted, and where results go.
struct OrdinaryPlaces {
  const float* in;
  float* out;
  std::uint16_t* packed;     // not null: in place of out
  const float* multipliers;  // null, or of element i the one at i >> block_shift
  const std::uint32_t* words;
  int size, block_shift;
};

// In the format's range and beyond it, by the processor's own rounding: in y + c, with c the power of two whose last
// place is the quantum of y, the sum lies between c and 2c and is rounded to that place, ties to even; the difference
// is exact. The significands of c + y and of y itself are even together as c is 2^23 quanta. Needs M <= 22, so that
// y <= 2^23 quanta, c <= 2^127, and M > 0 for ties, as odd_code has it.
struct NearestByAddition {
  Ints lowest_binade, to_last_place;
  std::int32_t mixed = 0;
  static constexpr bool all_normal = false;  // not looked at

  explicit PRECIPICE_HD NearestByAddition(const QuantizeCall& call)
      : lowest_binade(all((call.format.drop_origin - call.format.normal_drop) << 23)),
        to_last_place(all(call.format.normal_drop << 23)) {}

  PRECIPICE_HD Ints operator()(Ints pattern, const std::uint32_t* /*words*/) const {
    const Floats c = as_floats(larger(pattern & 0x7F800000, lowest_binade) + to_last_place);
    return as_ints((as_floats(pattern) + c) - c);
  }
};

// Variant A: the pattern cut at the quantum, and one quantum more if the tail carries. Patterns are linear within a
// binade and continue in the next, so both hold for normal and subnormal numbers; below the smallest quantum there is
// nothing to cut at, and the sum is 0 or that quantum. Where all numbers are normal ones of the format, the carry is
// that of adding the word's high bits to the tail. kMixed: vectors with smaller ones are common, and a branch on them
// would be guessed wrong.
template <bool kMixed>
struct StochasticByCutting {
  Ints unused_bits, tail_bits, last_place, origin, normal_drop, min_normal, smallest_quantum;
  std::int32_t drop, mixed = 0;
  bool all_normal = false;  // of the last vector: nothing in it is small, so that there is nothing to count

  explicit PRECIPICE_HD StochasticByCutting(const QuantizeCall& call)
      : unused_bits(all(static_cast<std::int32_t>(0xFFFFFFFFu >> (call.random_bits - 1) >> 1))),
        tail_bits(all(static_cast<std::int32_t>(~(0xFFFFFFFFu >> (call.random_bits - 1) >> 1) >>
                                                (32 - call.format.normal_drop)))),
        last_place(all(-(1 << call.format.normal_drop))),
        origin(all(call.format.drop_origin)),
        normal_drop(all(call.format.normal_drop)),
        min_normal(all((call.format.drop_origin - call.format.normal_drop) << 23)),
        smallest_quantum(all(call.smallest_quantum)),
        drop(call.format.normal_drop) {}

  PRECIPICE_HD Ints operator()(Ints pattern, const std::uint32_t* words) {
    Ints word;
    __builtin_memcpy(&word, words, sizeof(word));
    const bool is_mixed = any(greater(min_normal, pattern));
    mixed += is_mixed;
    all_normal = !kMixed && !is_mixed;
    if (all_normal) {
      using Uints = std::uint32_t __attribute__((vector_size(sizeof(Ints))));
      const Ints tail = __builtin_bit_cast(Ints, __builtin_bit_cast(Uints, word) >> (32 - drop)) & tail_bits;
      return (pattern + tail) & last_place;
    }
    // carries_in_32_bits, with shifts that give zero from 32 places on.
    const Ints binade = larger(pattern & 0x7F800000, all(1 << 23));
    const Ints significand = pattern + (1 << 23) - binade;
    const Ints dropped = larger(origin - (binade >> 23), normal_drop);
    const Ints fraction = shift_left(significand, 32 - dropped) | shift_right(significand, dropped - 32);
    const Mask carries = greater_unsigned(fraction, ~word | unused_bits);
    const Ints kept = shift_left(all(-1), dropped);
    const Mask below = greater(smallest_quantum, pattern);
    const Ints cut = select(below, Ints{}, pattern & kept), step = select(below, smallest_quantum, -kept);
    return select(carries, cut + step, cut);
  }
};

// What an element is multiplied by: the call's scale, or a multiplier of its own or of its block, which holds whole
// vectors.
enum class Multiply : std::uint8_t { Scale, Own, Block };

// kPlain: the smallest result is the quantum, and zeros keep their sign.
template <class Round, Multiply kBy, bool kCount, bool kPack, bool kPlain>
OrdinaryCounts round_ordinary_as(const OrdinaryPlaces& places, const QuantizeCall& call) {
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
  const auto round_vector = [&](const float* from, const float* own, const std::uint32_t* words)
      __attribute__((always_inline)) {
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
  return {beyond.total(),        zeros.total() - zeros_in.total(), low.total() - zeros.total(),
          largest_lane(largest), largest_lane(largest_scaled),     round.mixed};
}

template <class Round, Multiply kBy, bool kCount, bool kPack>
OrdinaryCounts round_ordinary_with(const OrdinaryPlaces& places, const QuantizeCall& call) {
  const bool is_plain = call.format.smallest == call.smallest_quantum && call.format.sign_of_zero == kSignBit;
  return is_plain ? round_ordinary_as<Round, kBy, kCount, kPack, true>(places, call)
                  : round_ordinary_as<Round, kBy, kCount, kPack, false>(places, call);
}

template <class Round, Multiply kBy, bool kCount>
OrdinaryCounts round_ordinary_with(const OrdinaryPlaces& places, const QuantizeCall& call) {
  return places.packed != nullptr ? round_ordinary_with<Round, kBy, kCount, true>(places, call)
                                  : round_ordinary_with<Round, kBy, kCount, false>(places, call);
}

template <class Round, Multiply kBy>
OrdinaryCounts round_ordinary_with(const OrdinaryPlaces& places, const QuantizeCall& call) {
  return call.count ? round_ordinary_with<Round, kBy, true>(places, call)
                    : round_ordinary_with<Round, kBy, false>(places, call);
}

template <class Round>
OrdinaryCounts round_ordinary_with(const OrdinaryPlaces& places, const QuantizeCall& call) {
  if (places.multipliers == nullptr) return round_ordinary_with<Round, Multiply::Scale>(places, call);
  return places.block_shift > 0 ? round_ordinary_with<Round, Multiply::Block>(places, call)
                                : round_ordinary_with<Round, Multiply::Own>(places, call);
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
