// SPDX-License-Identifier: Apache-2.0
// What the rounding tests share: the formats they run over, bit patterns, and the scalar function by run-time mode.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "precision/base/check.h"
#include "precision/format/format_codes.h"
#include "precision/rounding/round_to_format.h"

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
inline const std::vector<Rounding> kStochastic = {Rounding::Stochastic, Rounding::StochasticB, Rounding::StochasticC};
inline std::vector<Rounding> all_roundings() {
  std::vector<Rounding> all = kDeterministic;
  all.insert(all.end(), kStochastic.begin(), kStochastic.end());
  return all;
}
inline const std::vector<Overflow> kOverflows = {Overflow::Saturate, Overflow::Native, Overflow::Propagate};

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
                                                       "e4m3:subnormals=flush-inputs",
                                                       "e3m2:subnormals=none",
                                                       "e4m3:specials=p3109,subnormals=none",
                                                       "gaudi_e4m3",
                                                       "e8m0:specials=ieee,subnormals=keep,sign=signed,zero=yes",
                                                       "e8m0:subnormals=keep,sign=signed,zero=yes",
                                                       "e8m0",
                                                       "e7m0:bias=100,sign=unsigned,subnormals=none,zero=no",
                                                       "e6m0:sign=unsigned,subnormals=none,zero=no",
                                                       "e5m2:sign=unsigned,subnormals=none,zero=no",
                                                       "e5m0",
                                                       "e5m0:subnormals=none",
                                                       "e1m0",
                                                       "e1m6",
                                                       "e1m2:specials=fn",
                                                       "e2m0:specials=fnuz",
                                                       "e4m3:bias=127",
                                                       "e4m3:bias=-112",
                                                       "e1m2:bias=-126",
                                                       "e4m3:sign=unsigned",
                                                       "e4m3fnuz:sign=unsigned",
                                                       "e4m3:sign=unsigned,specials=ieee",
                                                       "e2m3:sign=unsigned",
                                                       "binary8p4:sign=unsigned",
                                                       "binary8p1",
                                                       "binary8p3",
                                                       "binary8p7",
                                                       "int8",
                                                       "int8twos",
                                                       "int4",
                                                       "e0m5:lsb=-131",
                                                       "e0m5:lsb=122,sign=twos",
                                                       "e0m6:lsb=3,sign=unsigned",
                                                       "q1.6",
                                                       "mxint8",
                                                       "e4m3:bias=20,specials=finite,subnormals=flush"};
inline const std::vector<std::string> kWideFormats = {"bf16",  "fp16",  "tf32",  "fp16:subnormals=flush",
                                                      "e8m22", "e2m23", "e0m23", "dlfloat16"};

inline std::vector<std::string> formats_up_to_16_bits() {
  std::vector<std::string> names = kSmallFormats;
  for (const char* name : {"bf16", "fp16", "fp16:subnormals=flush", "dlfloat16"}) names.emplace_back(name);
  return names;
}

// Calls f with the rounding mode as a constant.
template <class F>
auto with_rounding(Rounding rounding, F&& f) {
  switch (rounding) {
    case Rounding::NearestEven:
      return f.template operator()<Rounding::NearestEven>();
    case Rounding::NearestAway:
      return f.template operator()<Rounding::NearestAway>();
    case Rounding::TowardZero:
      return f.template operator()<Rounding::TowardZero>();
    case Rounding::Up:
      return f.template operator()<Rounding::Up>();
    case Rounding::Down:
      return f.template operator()<Rounding::Down>();
    case Rounding::ToOdd:
      return f.template operator()<Rounding::ToOdd>();
    case Rounding::Stochastic:
      return f.template operator()<Rounding::Stochastic>();
    case Rounding::StochasticB:
      return f.template operator()<Rounding::StochasticB>();
    case Rounding::StochasticC:
      return f.template operator()<Rounding::StochasticC>();
  }
  __builtin_unreachable();
}

// x: float with FormatConstants, double with WideFormatConstants.
template <class Input, class Constants>
float round_as(Rounding rounding, Input x, const Constants& format, std::uint32_t random = 0, int random_bits = 32) {
  return with_rounding(rounding, [&]<Rounding R>() { return round_to_format<R>(x, format, random, random_bits); });
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

// Formats of at most `bits` bits with every field drawn at random, the same on every machine.
inline std::vector<FloatFormat> random_formats(int count, int bits) {
  Stream stream{40};
  const auto below = [&stream](int n) { return static_cast<int>(stream.next() % static_cast<std::uint32_t>(n)); };
  std::vector<FloatFormat> formats;
  while (static_cast<int>(formats.size()) < count) {
    FloatFormat format{below(9),
                       below(24),
                       below(255) - 127,
                       static_cast<Specials>(below(5)),
                       static_cast<Subnormals>(below(4)),
                       static_cast<Sign>(below(3)),
                       below(4) != 0};
    try {
      validate(format);
    } catch (const ConfigError&) {
      continue;
    }
    if (format.bits() <= bits) formats.push_back(format);
  }
  return formats;
}

}  // namespace precipice::test
