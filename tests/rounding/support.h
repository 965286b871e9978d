// SPDX-License-Identifier: Apache-2.0
// What the rounding tests share: the formats they run over, bit patterns, and the scalar function by run-time mode.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "precision/round_to_format.h"

namespace precipice::test {

inline std::uint32_t bits_of(float x) {
  return __builtin_bit_cast(std::uint32_t, x);
}
inline float float_of(std::uint32_t bits) {
  return __builtin_bit_cast(float, bits);
}
inline bool is_nan(float x) {
  return (bits_of(x) & 0x7FFFFFFFu) > 0x7F800000u;
}

// Equal bit for bit; NaNs that the code made itself may be any NaN.
inline bool same(float a, float b) {
  return bits_of(a) == bits_of(b) || (is_nan(a) && is_nan(b));
}

inline const std::vector<Rounding> kDeterministic = {Rounding::NearestEven, Rounding::NearestAway, Rounding::TowardZero,
                                                     Rounding::Up,          Rounding::Down,        Rounding::ToOdd};
inline const std::vector<Overflow> kOverflows = {Overflow::Saturate, Overflow::Native};

// Every kind of special value, bias, width and limit that the rounding distinguishes.
inline const std::vector<std::string> kSmallFormats = {"e4m3",
                                                       "e5m2",
                                                       "e3m2",
                                                       "e2m1",
                                                       "e2m3",
                                                       "e3m4",
                                                       "e4m3fnuz",
                                                       "e5m2fnuz",
                                                       "e5m3",
                                                       "e8m3",
                                                       "e4m3:subnormals=flush",
                                                       "e5m2:subnormals=flush",
                                                       "e4m3fnuz:subnormals=flush",
                                                       "e4m3:specials=ieee",
                                                       "e8m0",
                                                       "e8m0:specials=fn",
                                                       "e5m0",
                                                       "e1m0",
                                                       "e1m6",
                                                       "e1m2:specials=fn",
                                                       "e2m0:specials=fnuz",
                                                       "e4m3:bias=127",
                                                       "e4m3:bias=-112",
                                                       "e1m2:bias=-126",
                                                       "e4m3:bias=20,specials=finite,subnormals=flush"};
inline const std::vector<std::string> kWideFormats = {"bf16",  "fp16", "tf32", "fp16:subnormals=flush",
                                                      "e8m22", "e2m23"};

inline std::vector<std::string> formats_up_to_16_bits() {
  std::vector<std::string> names = kSmallFormats;
  for (const char* name : {"bf16", "fp16", "fp16:subnormals=flush"}) names.emplace_back(name);
  return names;
}

inline float round_as(Rounding rounding, float x, const FormatConstants& format, std::uint32_t random = 0,
                      int random_bits = 32) {
  switch (rounding) {
    case Rounding::NearestEven:
      return round_to_format<Rounding::NearestEven>(x, format);
    case Rounding::NearestAway:
      return round_to_format<Rounding::NearestAway>(x, format);
    case Rounding::TowardZero:
      return round_to_format<Rounding::TowardZero>(x, format);
    case Rounding::Up:
      return round_to_format<Rounding::Up>(x, format);
    case Rounding::Down:
      return round_to_format<Rounding::Down>(x, format);
    case Rounding::ToOdd:
      return round_to_format<Rounding::ToOdd>(x, format);
    case Rounding::Stochastic:
      return round_to_format<Rounding::Stochastic>(x, format, random, random_bits);
  }
  return 0.0f;
}

// splitmix64 (Steele, Lea, Flood 2014): any seed gives a good stream, and the tests need no library's generator.
struct Stream {
  std::uint64_t state;
  std::uint32_t next() {
    std::uint64_t z = (state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return static_cast<std::uint32_t>((z ^ (z >> 31)) >> 32);
  }
};

}  // namespace precipice::test
