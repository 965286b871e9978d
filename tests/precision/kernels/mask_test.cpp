// SPDX-License-Identifier: Apache-2.0
// The range of E7M7 on bf16 numbers at one end or both (arXiv 2405.18710 section 4.2): every bf16 number against the
// grid written out in doubles, and stochastic rounding against its count of words.
#include <cmath>
#include <optional>

#include "precision/base/check.h"
#include "precision/scaling/quantizer_settings.h"
#include "tests/precision/kernels/isas.h"
#include "tests/precision/scaling/scaling_support.h"
#include "tests/support/catch.h"

namespace precipice::test {
namespace {

enum class Ends { Both, Inner, Outer };

QuantizerSettings mask(Ends ends, Rounding rounding) {
  const FloatFormat bf16 = parse_float_format("bf16"), e7m7 = parse_float_format("e7m7");
  QuantizerSettings q;
  q.format = ends == Ends::Outer ? bf16 : e7m7;
  if (ends != Ends::Both) q.range = ends == Ends::Inner ? bf16 : e7m7;
  q.overflow = Overflow::Propagate;
  q.rounding = rounding;
  q.through_bf16 = true;
  return q;
}

// E7M7: bias 63, so normal numbers from 2^-62 to (2 - 2^-7) 2^63 and a quantum of 2^-69 below. bf16 numbers have 7
// mantissa bits themselves, so that nothing else is rounded.
double expected(double x, Ends ends, Rounding rounding) {
  if (std::isnan(x) || std::isinf(x)) return x;
  const double quantum = std::ldexp(1.0, -69), largest = (2.0 - std::ldexp(1.0, -7)) * std::ldexp(1.0, 63);
  double magnitude = std::fabs(x);
  if (ends != Ends::Outer && magnitude < std::ldexp(1.0, -62)) {
    const double quanta = magnitude / quantum;  // exact, and below 2^7
    const double whole = std::floor(quanta), rest = quanta - whole;
    const bool up = rounding == Rounding::NearestEven && (rest > 0.5 || (rest == 0.5 && std::fmod(whole, 2.0) == 1.0));
    magnitude = (whole + (up ? 1.0 : 0.0)) * quantum;
  }
  if (ends != Ends::Inner) magnitude = std::fmin(magnitude, largest);
  return std::copysign(magnitude, x);
}

std::vector<float> all_bf16() {
  std::vector<float> x;
  for (std::uint32_t code = 0; code < 65536; ++code) x.push_back(float_of(code << 16));
  return x;
}

}  // namespace

TEST_CASE("inner, outer and both clamp every bf16 number to E7M7's ends and leave the others") {
  const std::vector<float> in = all_bf16();
  for (const Ends ends : {Ends::Both, Ends::Inner, Ends::Outer})
    for (const Rounding rounding : {Rounding::TowardZero, Rounding::NearestEven}) {
      const std::vector<float> out = quantize_all(in, {256, 256, 1}, mask(ends, rounding)).values;
      int different = 0;
      for (std::size_t i = 0; i < in.size(); ++i)
        different += !same(out[i], static_cast<float>(expected(static_cast<double>(in[i]), ends, rounding)));
      INFO(static_cast<int>(ends) << " " << to_string(rounding));
      CHECK(different == 0);
    }
}

TEST_CASE("a mask that drops exponent bits leaves every bf16 code without them, and is counted") {
  const std::vector<float> in = all_bf16();
  for (const int bits : {1, 4, 6, 7, 8})
    for (const int mantissa : {3, 7}) {
      QuantizerSettings q;
      q.format = parse_float_format("bf16");
      q.format.mantissa_bits = mantissa;
      q.overflow = Overflow::Propagate;
      q.rounding = Rounding::TowardZero;
      q.through_bf16 = true;
      q.kept_exponent_bits = bits;
      for (const Isa& isa : available_isas()) {
        std::vector<float> out(in.size());
        const EventCounts counts =
            isa.kernels->quantize(prepare_call(in.data(), out.data(), 65536, quantizer_of(q).element, 1.0f, {}, 0));
        int different = 0;
        std::uint64_t changed = 0;
        for (std::uint32_t code = 0; code < 65536; ++code) {
          const std::uint32_t exponent = code >> 7 & 0xFF, sign = code & 0x8000, of_mantissa = code & 0x7F;
          const std::uint32_t kept = exponent & ((1u << bits) - 1);
          const std::uint32_t cut = of_mantissa >> (7 - mantissa) << (7 - mantissa);
          const std::uint32_t wanted = exponent == 255 ? code : sign | kept << 7 | cut;
          different += !same(out[code], float_of(wanted << 16));
          changed += exponent != 255 && kept != exponent;
        }
        INFO(bits << " exponent bits, " << mantissa << " mantissa bits, " << isa.name);
        CHECK(different == 0);
        CHECK(counts.saturated == changed);
      }
    }
}

TEST_CASE("exponent bits are dropped from bf16 numbers without a scale only") {
  QuantizerSettings q;
  q.format = parse_float_format("bf16");
  q.kept_exponent_bits = 7;
  CHECK_THROWS_WITH(quantizer_of(q), Catch::Contains("kept_exponent_bits = 7: must be from 1 to 8, of bf16 numbers"));
  q.through_bf16 = true;
  q.kind = ScaleKind::Tensor;
  CHECK_THROWS_WITH(quantizer_of(q), Catch::Contains("kept_exponent_bits = 7: needs unscaled elements"));
}

TEST_CASE("both ends together are the inner end followed by the outer one") {
  const std::vector<float> in = all_bf16();
  const MatrixShape shape{256, 256, 1};
  const std::vector<float> inner = quantize_all(in, shape, mask(Ends::Inner, Rounding::TowardZero)).values;
  CHECK(count_differences(quantize_all(inner, shape, mask(Ends::Outer, Rounding::TowardZero)).values,
                          quantize_all(in, shape, mask(Ends::Both, Rounding::TowardZero)).values) == 0);
}

TEST_CASE("what a clamp did is counted at its own end") {
  const std::vector<float> in = {0x1p-70f, 0x1p-100f, 1.0f, 0x1p64f, -0x1p100f, 0x1p-69f};
  const MatrixShape shape{1, 6, 1};
  const EventCounts inner = quantize_all(in, shape, mask(Ends::Inner, Rounding::TowardZero)).counts;
  const EventCounts outer = quantize_all(in, shape, mask(Ends::Outer, Rounding::TowardZero)).counts;
  CHECK((inner.underflowed == 2 && inner.saturated == 0));
  CHECK((outer.underflowed == 0 && outer.saturated == 2));
}

TEST_CASE("stochastic rounding at the inner end goes up as often as the number is far from the lower neighbour") {
  const MatrixShape shape{64, 64, 1};
  const std::vector<float> in(4096, 0x1.4p-69f);  // a quarter of the way from 2^-69 to 2^-68
  const std::vector<float> out = quantize_all(in, shape, mask(Ends::Inner, Rounding::Stochastic), {7, 1, 2, 3}).values;
  int up = 0;
  for (const float x : out) {
    CHECK((x == 0x1p-69f || x == 0x1p-68f));
    up += x == 0x1p-68f;
  }
  // Binomial: 1024 expected, standard deviation 27.7; four of them.
  CHECK(std::abs(up - 1024) < 111);
}

TEST_CASE("a range is for unscaled elements of as many mantissa bits") {
  QuantizerSettings q = mask(Ends::Inner, Rounding::TowardZero);
  q.kind = ScaleKind::Tensor;
  CHECK_THROWS_WITH(quantizer_of(q), Catch::Contains("range") && Catch::Contains("unscaled"));
  q = mask(Ends::Inner, Rounding::TowardZero);
  q.format = parse_float_format("e7m6");
  CHECK_THROWS_WITH(quantizer_of(q), Catch::Contains("mantissa bits"));
}

}  // namespace precipice::test
