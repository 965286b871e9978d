// SPDX-License-Identifier: Apache-2.0
// Stochastic rounding by exact count over all random words, zero tolerance, and Philox4x32-10 against the known answers
// published with Random123 (Salmon et al. 2011, kat_vectors).
#include <cmath>

#include "precision/rounding/random_bits.h"
#include "tests/precision/rounding/support.h"
#include "tests/support/catch.h"
#include "tests/support/reference_rounding.h"

namespace precipice::test {
namespace {

// How many of the 2^N words take x away from zero, with something else in the bits that must not matter.
template <class Input, class Constants>
std::uint32_t count_up(Rounding rounding, Input x, const Constants& format, int random_bits) {
  const float down = round_as(Rounding::TowardZero, x, format);
  std::uint32_t up = 0;
  for (std::uint32_t word = 0; word < 1u << random_bits; ++word) {
    const std::uint32_t unused = (word * 2654435761u) >> random_bits;
    const std::uint32_t random = (word << (32 - random_bits)) | unused;
    up += bits_of(round_as(rounding, x, format, random, random_bits)) != bits_of(down);
  }
  return up;
}

// How many of the words R = 0 .. 2^N - 1 meet the definition in precision/rounding/rounding.h, for a discarded part of
// n / 2^60 of the quantum: with s = 2^N n and one = 2^60, the number of R from 2^N - k on is k.
using Wide = unsigned __int128;
std::uint32_t words_up(Rounding rounding, std::uint64_t n, int random_bits) {
  constexpr Wide one = Wide{1} << 60;
  const Wide s = Wide{n} << random_bits;
  Wide k = s / one;                                                      // A: floor(s) + R >= 2^N
  if (rounding == Rounding::StochasticB) k = (2 * s + one) / (2 * one);  // B: s + R + 1/2 >= 2^N
  if (rounding == Rounding::StochasticC) {                               // C: round_to_even(s) + R >= 2^N
    const Wide rest = s % one;
    if (rest > one / 2 || (rest == one / 2 && k % 2 == 1)) ++k;
  }
  return static_cast<std::uint32_t>(k);
}

template <class Input, class Constants>
void check_counts_of(Input x, double tail, const Constants& format) {
  const auto n = static_cast<std::uint64_t>(std::ldexp(tail, 60));
  REQUIRE(std::ldexp(static_cast<double>(n), -60) == tail);
  for (const Rounding rounding : kStochastic) {
    for (int bits = 1; bits <= 12; ++bits) {
      INFO(to_string(rounding) << " " << x << " tail " << tail << " bits " << bits);
      CHECK(count_up(rounding, x, format, bits) == words_up(rounding, n, bits));
      CHECK(count_up(rounding, -x, format, bits) == words_up(rounding, n, bits));
    }
  }
}

// x = quantum * (whole + fraction) in a range with this quantum; the fraction is what the type of input makes of it.
void check_counts(const char* name, double quantum, double whole) {
  INFO(name << " quantum " << quantum << " whole " << whole);
  const FloatFormat f = parse_float_format(name);
  const FormatConstants format = prepare(f, Overflow::Native);
  const WideFormatConstants wide_format = prepare_wide(f, Overflow::Native);
  for (const double fraction :
       {0.0, 1.0 / 3.0, 0.5, 1.0 / 512.0, 511.0 / 512.0, 0.999, 0x1p-11, 0x1p-20, 3.0 / 4096.0, 5.0 / 8192.0}) {
    const double wide = quantum * (whole + fraction);
    const auto x = static_cast<float>(wide);
    check_counts_of(x, x / quantum - whole, format);
    check_counts_of(wide, wide / quantum - whole, wide_format);
  }
}

bool goes_up(float x, const FormatConstants& format, std::uint64_t random) {
  return round_as(Rounding::Stochastic, x, format, static_cast<std::uint32_t>(random)) !=
         round_as(Rounding::TowardZero, x, format);
}

}  // namespace

TEST_CASE("as many of the 2^N words round up as the definitions of the three variants say, from float and double") {
  check_counts("e4m3", 0x1p-3, 8.0);   // [1, 1.125)
  check_counts("e4m3", 0x1p-3, 15.0);  // into the next binade
  check_counts("e4m3", 0x1p-9, 5.0);   // subnormals
  check_counts("e4m3", 0x1p-9, 0.0);   // zero or the smallest subnormal, also far below half of it
  check_counts("e4m3", 32.0, 14.0);    // above the largest finite value: 448 or NaN
  check_counts("e5m2", 8192.0, 7.0);   // 57344 or infinity
  check_counts("e2m1", 0.5, 1.0);      // subnormal
  check_counts("e5m0", 2.0, 1.0);      // no mantissa
  check_counts("e5m0", 0x1p-14, 0.0);
  check_counts("bf16", 0x1p-133, 3.0);  // binary32 subnormals
  check_counts("fp16", 0x1p-24, 0.0);
  check_counts("e4m3:bias=-112", 0x1p110, 0.0);
}

TEST_CASE("the low bits of a word that are not used do not matter") {
  Stream stream{13};
  int changed = 0;
  for (const char* name : {"e4m3", "e2m1", "bf16", "e8m0", "int8"}) {
    const FloatFormat f = parse_float_format(name);
    const FormatConstants format = prepare(f, Overflow::Saturate);
    const WideFormatConstants wide_format = prepare_wide(f, Overflow::Saturate);
    for (int i = 0; i < 30000; ++i) {
      const int bits = 1 + i % 31;
      // Near the format's range, with all bits of the significand in use.
      const float x = std::ldexp(float_of((stream.next() & 0x807FFFFFu) | 0x3F800000u), i % 24 - 12);
      const double wide = x * (1.0 + std::ldexp(static_cast<double>(stream.next()), -56));
      const std::uint32_t word = stream.next(), unused = 0xFFFFFFFFu >> bits;
      for (const Rounding rounding : kStochastic) {
        changed += bits_of(round_as(rounding, x, format, word & ~unused, bits)) !=
                   bits_of(round_as(rounding, x, format, word | unused, bits));
        changed += bits_of(round_as(rounding, wide, wide_format, word & ~unused, bits)) !=
                   bits_of(round_as(rounding, wide, wide_format, word | unused, bits));
      }
    }
  }
  CHECK(changed == 0);
}

TEST_CASE("saturating stochastic rounding never leaves the largest finite value") {
  const FormatConstants e4m3 = prepare(parse_float_format("e4m3"), Overflow::Saturate);
  for (const std::uint32_t random : {0u, 0x80000000u, 0xFFFFFFFFu})
    for (const float x : {448.0f, 456.0f, 479.0f, 1e30f})
      CHECK(round_as(Rounding::Stochastic, x, e4m3, random) == 448.0f);
}

TEST_CASE("flushed subnormals are flushed after rounding") {
  const FormatConstants e4m3 = prepare(parse_float_format("e4m3:subnormals=flush"), Overflow::Saturate);
  CHECK(round_as(Rounding::Stochastic, 0x1.fp-7f, e4m3, 0xFFFFFFFFu) == 0x1p-6f);
  CHECK(round_as(Rounding::Stochastic, 0x1.fp-7f, e4m3, 0x00000000u) == 0.0f);
  CHECK(round_as(Rounding::Stochastic, 0x1.8p-9f, e4m3, 0xFFFFFFFFu) == 0.0f);
}

TEST_CASE("with 32 bits the threshold lies at 2^32 - floor(2^32 tail) for every size of tail") {
  Stream stream{11};
  for (const char* name : {"e4m3", "e5m2", "e2m1", "bf16", "fp16", "e8m2", "e4m3:bias=-112"}) {
    const FloatFormat f = parse_float_format(name);
    const FormatConstants format = prepare(f, Overflow::Native);
    int wrong = 0;
    for (int i = 0; i < 20000; ++i) {
      // Exponents from 40 below the smallest subnormal to the top, so that up to 63 bits are dropped.
      const int lowest = std::max(0, f.emin() - f.mantissa_bits + 127 - 40);
      const std::uint32_t random = stream.next();
      const auto field =
          static_cast<std::uint32_t>(lowest + static_cast<int>(random >> 24) % (f.emax() + 127 - lowest));
      const float x = float_of((field << 23) | (random & 0x7FFFFFu));
      const int exponent = std::max(x == 0.0f ? -149 : std::ilogb(x), f.emin());
      const double quanta = std::ldexp(static_cast<double>(x), f.mantissa_bits - exponent);
      const auto words = static_cast<std::uint64_t>(std::ldexp(quanta - std::floor(quanta), 32));
      const std::uint64_t threshold = (std::uint64_t{1} << 32) - words;
      wrong += words > 0 ? !goes_up(x, format, threshold) : goes_up(x, format, 0xFFFFFFFFu);
      wrong += goes_up(x, format, threshold - 1);
    }
    INFO(name);
    CHECK(wrong == 0);
  }
}

TEST_CASE("stochastic rounding equals the reference for random inputs, words and widths") {
  Stream stream{12};
  for (const std::string& name : kSmallFormats) {
    const FloatFormat f = parse_float_format(name);
    for (const Overflow overflow : kOverflows) {
      const FormatConstants format = prepare(f, overflow);
      int wrong = 0;
      for (int i = 0; i < 20000; ++i) {
        const float x = float_of(stream.next());
        const std::uint32_t random = stream.next();
        const int bits = 1 + i % 32;
        wrong += !same(round_as(Rounding::Stochastic, x, format, random, bits),
                       reference::round(f, Rounding::Stochastic, overflow, x, random, bits));
      }
      INFO(name);
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("Philox4x32-10 gives the published known answers") {
  const auto check = [](Philox4 counter, std::uint32_t k0, std::uint32_t k1, Philox4 expected) {
    const Philox4 actual = philox4x32(counter, k0, k1);
    for (int w = 0; w < 4; ++w) CHECK(actual.word[w] == expected.word[w]);
  };
  check({{0, 0, 0, 0}}, 0, 0, {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}});
  check({{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}}, 0xffffffff, 0xffffffff,
        {{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}});
  check({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0xa4093822, 0x299f31d0,
        {{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}});
}

TEST_CASE("every part of the key and the element number reaches the counter") {
  const RandomKey key{0x299f31d0a4093822u, 0x13198a2e, 0x03707344, 0x85a3};
  // Word 1 of the counter holds the operand above the block's high bits.
  const std::uint64_t block = (std::uint64_t{0x08d3} << 32) | 0x243f6a88;
  const std::uint32_t expected[4] = {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1};
  for (std::uint64_t w = 0; w < 4; ++w) CHECK(random_word(key, 4 * block + w) == expected[w]);
}

TEST_CASE("at most 16 random bits come from halves of words and at most 8 from bytes, low ones first") {
  const RandomKey key{0x299f31d0a4093822u, 0x13198a2e, 0x03707344, 0x85a3};
  // Blocks of the known answer above: 4 words are 16 bytes, of which element e has number e.
  const std::uint64_t block = (std::uint64_t{0x08d3} << 32) | 0x243f6a88;
  const std::uint8_t bytes[16] = {0x09, 0xfe, 0x6c, 0xd1, 0xeb, 0xcc, 0xfd, 0x94,
                                  0x20, 0xe4, 0x01, 0x50, 0xa1, 0x6e, 0x12, 0x24};
  for (const int bits : {1, 8}) {
    for (std::uint64_t e = 0; e < 16; ++e) CHECK(random_for(key, 16 * block + e, bits) >> 24 == bytes[e]);
  }
  for (const int bits : {9, 16}) {
    for (std::uint64_t e = 0; e < 8; ++e)
      CHECK(random_for(key, 8 * block + e, bits) >> 16 == (std::uint32_t{bytes[2 * e + 1]} << 8 | bytes[2 * e]));
  }
  for (const int bits : {17, 32}) {
    for (std::uint64_t e = 0; e < 4; ++e)
      CHECK(random_for(key, 4 * block + e, bits) == random_word(key, 4 * block + e));
  }
}

}  // namespace precipice::test
