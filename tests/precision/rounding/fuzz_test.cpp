// SPDX-License-Identifier: Apache-2.0
// 10^6 draws of everything at once: format, mode, policy, random bits, word, and a value that is near an edge of the
// format more often than not, against the oracle. The seed is fixed.
#include <fmt/format.h>

#include <cmath>

#include "tests/precision/rounding/support.h"
#include "tests/support/catch.h"
#include "tests/support/reference_rounding.h"

namespace precipice::test {
namespace {

// Any pattern; a value, a midpoint or the end of the range; moved by a few ulp or not; of either sign.
float draw_value(const FloatFormat& f, Stream& stream) {
  const std::uint32_t kind = stream.next() % 8;
  if (kind == 0) return float_of(stream.next());
  const double count = reference::count_of_numbers(f);
  double code = std::floor(std::ldexp(stream.next(), -32) * count);
  if (kind == 1) code = count - 1.0;
  if (kind == 2) code = std::min(static_cast<double>(stream.next() % 4), count - 1.0);
  const double value = reference::value_of_code(f, code), next = reference::value_of_code(f, code + 1.0);
  const std::uint32_t place = stream.next() % 4;
  const auto x = static_cast<float>(place == 0   ? value
                                    : place == 1 ? (value + next) / 2.0
                                                 : value + (next - value) * std::ldexp(stream.next(), -32));
  const std::uint32_t moved = bits_of(x) + stream.next() % 5 - 2;
  return float_of((moved & ~kSignBit) | (stream.next() & kSignBit));
}

}  // namespace

TEST_CASE("10^6 random formats, modes, policies and values round as the oracle says, from float and double") {
  constexpr int kFormats = 50000, kValues = 20;
  std::string first_difference;
  int finite = 0, different = 0;
  Stream stream{2026};
  const std::vector<Rounding> roundings = all_roundings();
  for (const FloatFormat& f : random_formats(kFormats, 32)) {
    for (int i = 0; i < kValues; ++i) {
      const Rounding rounding = roundings[stream.next() % roundings.size()];
      const Overflow overflow = kOverflows[stream.next() % kOverflows.size()];
      const std::uint32_t word = stream.next();
      const int bits = 1 + static_cast<int>(stream.next() % 32);
      const float x = draw_value(f, stream);
      // Half of the values have more bits than binary32 holds; an exponent field of 0 cannot become one.
      const std::uint64_t below = is_nan(x) || x == 0.0f || !std::isfinite(x) || i % 2 == 0 ? 0 : stream.next() >> 3;
      const double wide = __builtin_bit_cast(double, __builtin_bit_cast(std::uint64_t, double{x}) | below);
      const float expected = reference::round(f, rounding, overflow, wide, word, bits);
      const float from_double = round_as(rounding, wide, prepare_wide(f, overflow), word, bits);
      const float from_float = below != 0 ? expected : round_as(rounding, x, prepare(f, overflow), word, bits);
      finite += std::isfinite(expected);
      if (same(from_double, expected) && same(from_float, expected)) continue;
      ++different;
      if (first_difference.empty())
        first_difference =
            fmt::format("{} {} {} word {:#x} bits {}: {:a} -> {:a} and from float {:a}, not {:a}", to_string(f),
                        to_string(rounding), to_string(overflow), word, bits, wide, from_double, from_float, expected);
    }
  }
  CHECK(first_difference == "");
  CHECK(different == 0);
  CHECK(finite > kFormats * kValues / 2);
}

}  // namespace precipice::test
