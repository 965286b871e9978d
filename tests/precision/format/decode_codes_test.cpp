// SPDX-License-Identifier: Apache-2.0
// The decoding loop against decode(), which the tests of format_codes.h hold against the specification.
#include "precision/format/decode_codes.h"

#include <numeric>

#include "tests/precision/rounding/support.h"
#include "tests/support/catch.h"

namespace precipice::test {
namespace {

template <class Code>
void check_decoded(const FloatFormat& format, const std::vector<Code>& codes) {
  std::vector<float> values(codes.size());
  decode(codes.data(), values.data(), static_cast<std::int64_t>(codes.size()), format);
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < codes.size(); ++i) wrong += bits_of(values[i]) != bits_of(decode(format, codes[i]));
  INFO(to_string(format));
  CHECK(wrong == 0);
}

template <class Code>
void check_all_codes(const FloatFormat& format) {
  std::vector<Code> codes(std::size_t{1} << format.bits());
  std::iota(codes.begin(), codes.end(), Code{0});
  check_decoded(format, codes);
}

// The first and last eight codes of every exponent, where the special ones are, and a few in between.
std::vector<std::uint32_t> codes_of_wide_format(const FloatFormat& format) {
  std::vector<std::uint32_t> codes;
  Stream stream{7};
  const std::uint32_t per_exponent = 1u << format.mantissa_bits;
  for (std::uint64_t begin = 0; begin < std::uint64_t{1} << format.bits(); begin += per_exponent) {
    for (std::uint32_t i = 0; i < 8; ++i) {
      const auto base = static_cast<std::uint32_t>(begin);
      codes.insert(codes.end(), {base + i, base + per_exponent - 1 - i, base + stream.next() % per_exponent});
    }
  }
  return codes;
}

}  // namespace

TEST_CASE("the decoding loop gives decode()'s bits for every code of every kind of format") {
  for (const std::string& name : kSmallFormats) {
    const FloatFormat format = parse_float_format(name);
    if (format.bits() <= 8) check_all_codes<std::uint8_t>(format);
    check_all_codes<std::uint16_t>(format);
    check_all_codes<std::uint32_t>(format);
  }
  for (const char* name : {"bf16", "fp16:subnormals=flush", "e7m8:bias=120,specials=fnuz"})
    check_all_codes<std::uint16_t>(parse_float_format(name));
  for (const FloatFormat& format : random_formats(60, 12)) check_all_codes<std::uint16_t>(format);
  for (const char* name : {"fp32", "tf32", "e8m22", "e2m23", "e0m23", "e0m20:sign=twos"})
    check_decoded(parse_float_format(name), codes_of_wide_format(parse_float_format(name)));
}

TEST_CASE("a code with more bits than the format has is found, wherever it is") {
  const FloatFormat e2m1 = parse_float_format("e2m1");
  std::vector<std::uint8_t> codes(100, 15);
  CHECK(first_foreign_code(codes.data(), 100, e2m1) == 100);
  for (const std::size_t at : {99u, 40u, 0u}) {
    codes[at] = 16;
    CHECK(first_foreign_code(codes.data(), 100, e2m1) == static_cast<std::int64_t>(at));
  }
  const std::uint32_t top = 0xFFFFFFFFu;
  CHECK(first_foreign_code(&top, 1, parse_float_format("fp32")) == 1);
}

}  // namespace precipice::test
