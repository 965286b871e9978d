// SPDX-License-Identifier: Apache-2.0
// The fast paths that know one format (precision/kernels/fast_rounding-inl.h) against the definition, on every instruction
// set. Their formats keep 7 mantissa bits or fewer, so that of a number's lower half only this matters: is it zero, below
// a half of its range, that half, or above. All upper halves with each kind of lower half are a proof for all numbers.
#include <algorithm>
#include <cmath>
#include <vector>

#include "precision/kernels/quantize_isa.h"
#include "precision/rounding/round_to_format.h"
#include "tests/precision/kernels/isas.h"
#include "tests/precision/rounding/support.h"
#include "tests/support/catch.h"

namespace precipice::test {
namespace {

std::vector<float> numbers_of_every_kind() {
  std::vector<float> numbers;
  for (std::uint32_t upper = 0; upper < 0x10000; ++upper)
    for (const std::uint32_t lower : {0u, 1u, 0x7FFFu, 0x8000u, 0x8001u, 0xFFFFu})
      numbers.push_back(float_of(upper << 16 | lower));
  return numbers;
}

std::size_t wrong_bits(const std::vector<float>& a, const std::vector<float>& b) {
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < a.size(); ++i) wrong += bits_of(a[i]) != bits_of(b[i]);
  return wrong;
}

template <class Expected>
std::vector<float> each(const std::vector<float>& in, Expected expected) {
  std::vector<float> out;
  for (const float x : in) out.push_back(expected(x));
  return out;
}

const FloatFormat kBfloat16 = parse_float_format("bf16");

}  // namespace

TEST_CASE("bf16 by an addition to the pattern is the definition's, and NaN stays NaN, packed or not") {
  const std::vector<float> in = numbers_of_every_kind();
  const auto size = static_cast<std::int64_t>(in.size());
  const FormatConstants bf16 = prepare(kBfloat16, Overflow::Native);
  volatile float one = 1.0f;  // the product makes a NaN quiet, which a compiler that knows the factor leaves out
  const std::vector<float> defined =
      each(in, [&](float x) { return round_to_format<Rounding::NearestEven>(x * one, bf16); });
  // In sixteen bits a NaN has no room for its low bits.
  const std::vector<float> cut = each(defined, [](float x) { return float_of(bits_of(x) & 0xFFFF0000u); });
  for (const Isa& isa : available_isas()) {
    INFO(isa.name);
    std::vector<float> out(in.size());
    isa.kernels->blocks.to_bf16(in.data(), out.data(), size);
    CHECK(wrong_bits(out, cut) == 0);

    QuantizeCall call =
        prepare_call(in.data(), out.data(), size, {kBfloat16, Rounding::NearestEven, Overflow::Native}, 1.0f, {}, 0);
    REQUIRE(call.is_bf16);
    call.count = false;
    isa.kernels->quantize(call);
    CHECK(wrong_bits(out, defined) == 0);

    std::vector<std::uint16_t> packed(in.size());
    call.packed = packed.data();
    isa.kernels->quantize(call);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < in.size(); ++i) wrong += packed[i] != bits_of(cut[i]) >> 16;
    CHECK(wrong == 0);
  }
}

TEST_CASE("bf16 numbers are packed as their upper halves, a NaN stays one, and the smallest magnitude is found") {
  std::vector<float> in;
  for (std::uint32_t upper = 0; upper < 0x10000; ++upper) in.push_back(float_of(upper << 16));
  in.insert(in.end(), {float_of(0x7F800001u), float_of(0xFF80FFFFu), float_of(0x7FC00001u)});
  std::vector<std::uint16_t> expected;
  for (const float x : in) expected.push_back(static_cast<std::uint16_t>(bits_of(x) >> 16 | (is_nan(x) ? 0x40u : 0u)));
  for (const Isa& isa : available_isas()) {
    INFO(isa.name);
    std::vector<std::uint16_t> packed(in.size());
    const std::uint32_t smallest =
        isa.kernels->blocks.pack_bf16(in.data(), packed.data(), static_cast<std::int64_t>(in.size()));
    CHECK(packed == expected);
    CHECK(smallest == 0x0000FFFFu);  // the pattern of 2^-133, less one
  }
}

TEST_CASE("block scales in E4M3 by the processor's own rounding are the definition's from 0 to 448") {
  std::vector<float> in;
  for (const float x : numbers_of_every_kind())
    if (!std::signbit(x) && (x <= 448.0f || is_nan(x))) in.push_back(x);
  const FormatConstants e4m3 = prepare(parse_float_format("e4m3"), Overflow::Saturate);
  const std::vector<float> defined = each(in, [&](float x) { return round_to_format<Rounding::NearestEven>(x, e4m3); });
  for (const Isa& isa : available_isas()) {
    INFO(isa.name);
    std::vector<float> scales(in.size()), multiply(in.size()), inverse(in.size());
    isa.kernels->blocks.nvfp4_scales(in.data(), static_cast<std::int64_t>(in.size()), {1.0f, 1.0f, 1.0f}, scales.data(),
                                     multiply.data(), inverse.data());
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < in.size(); ++i) wrong += !same(scales[i], defined[i]);
    CHECK(wrong == 0);
  }
}

TEST_CASE("E2M1 by the processor's own rounding is the definition's for all numbers") {
  const std::vector<float> in = numbers_of_every_kind();
  const FormatConstants e2m1 = prepare(parse_float_format("e2m1"), Overflow::Saturate);
  // Of an element and its rounded value q the kernel tells |2 q - x|, which differs for the two neighbours of a tie.
  const std::vector<float> defined =
      each(in, [&](float x) { return std::abs(round_to_format<Rounding::NearestEven>(x, e2m1) * 2.0f - x); });
  const std::vector<float> ones(in.size(), 1.0f), twos(in.size(), 2.0f);
  for (const Isa& isa : available_isas()) {
    INFO(isa.name);
    std::vector<float> errors(in.size());
    isa.kernels->blocks.nvfp4_errors(in.data(), static_cast<std::int64_t>(in.size()), ones.data(), twos.data(), 1.0f,
                                     1.0f, false, errors.data());
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < in.size(); ++i) wrong += !same(errors[i], defined[i]);
    CHECK(wrong == 0);

    // A number times NaN, as a block with a NaN has it: the element's own NaN would hide what became of the product.
    const std::vector<float> nans(in.size(), std::nanf("")), zeros(in.size(), 0.0f);
    isa.kernels->blocks.nvfp4_errors(zeros.data(), static_cast<std::int64_t>(in.size()), nans.data(), twos.data(), 1.0f,
                                     1.0f, false, errors.data());
    CHECK(std::all_of(errors.begin(), errors.end(), is_nan));
  }
}

}  // namespace precipice::test
