// SPDX-License-Identifier: Apache-2.0
// FP8 and integer scales from amax: every arithmetic against its formula in doubles rounded after each operation, and
// the places where the peers disagree, with the numbers that show it.
#include "precision/scaling/scale_rules.h"

#include "precision/base/check.h"
#include "precision/scaling/quantizer_settings.h"
#include "precision/scaling/scale_rule_table.h"
#include "tests/precision/scaling/scaling_support.h"
#include "tests/support/catch.h"
#include "tests/support/reference_scaling.h"

namespace precipice::test {
namespace {

using reference::fl;

QuantizerSettings tensor_spec(const char* element, Arithmetic arithmetic, bool pow2 = false,
                              ScaleKind kind = ScaleKind::Tensor) {
  QuantizerSettings spec;
  spec.format = parse_float_format(element);
  spec.kind = kind;
  spec.arithmetic = arithmetic;
  spec.power_of_two = pow2;
  return spec;
}

// Amaxes of every size: binary32 patterns at random, edges, neighbours of max 2^k and of powers of two, bf16 numbers.
std::vector<float> amaxes() {
  std::vector<float> all = {0.0f,       kInfF,         kNanF,     1e-12f,     1e-4f,   9.9999997e-13f,
                            1.3e-36f,   3.4028235e38f, 0x1p-149f, 1e-38f,     448.0f,  7.0000005f,
                            229376.02f, 0x1p-126f,     1e-36f,    7.9999995f, 2.59375f};
  Stream stream{9};
  for (int i = 0; i < 20000; ++i) all.push_back(float_of(stream.next() % 0x7F800000u));
  for (int i = 0; i < 5000; ++i) all.push_back(float_of(stream.next() % 0x7F80u << 16));
  for (int k = -140; k < 120; ++k) {
    for (const float edge : {1.0f, 1.75f, 448.0f / 3.0f}) {
      for (int ulp = -45; ulp <= 45; ulp += 5)
        all.push_back(float_of(bits_of(std::ldexp(edge, k)) + static_cast<std::uint32_t>(ulp)));
    }
  }
  for (float& x : all) x = std::fabs(x);
  return all;
}

// scale(amax, max) in doubles; NaN and infinities included.
template <class Reference>
int wrong_scales(const QuantizerSettings& spec, Reference reference, float previous = 1.0f) {
  const ScaleConstants constants = prepare_scales(spec, previous);
  const double max = reference::max_finite(spec.format);
  int wrong = 0;
  for (const float amax : amaxes()) {
    const auto [multiply, inverse] = reference(static_cast<double>(amax), max);
    const BlockScale got = scale_of(constants, amax);
    wrong += !same(got.multiply, static_cast<float>(multiply));
    wrong += !same(got.inverse, static_cast<float>(inverse));
  }
  return wrong;
}

using Pair = std::pair<double, double>;
Pair with_inverse(double s) {
  return {s, fl(1.0 / s)};
}
double floor_power(double s) {
  return s == 0.0 ? 0.0 : std::ldexp(1.0, reference::exact_log2(s));
}

}  // namespace

TEST_CASE(
    "te: max / amax in one division, 1 for amax 0, infinity and NaN, the largest float beyond it; pow2 rounds down") {
  for (const char* element : {"e4m3", "e5m2", "gaudi_e4m3"}) {
    for (const bool pow2 : {false, true}) {
      const auto reference = [pow2](double amax, double max) {
        double s = fl(max / amax);
        if (std::isinf(s)) s = reference::kLargestFloat;
        if (pow2) s = floor_power(s);
        if (amax == 0.0 || !std::isfinite(amax)) s = 1.0;
        return with_inverse(s);
      };
      CHECK(wrong_scales(tensor_spec(element, Arithmetic::Te, pow2), reference) == 0);
      CHECK(wrong_scales(tensor_spec(element, Arithmetic::TeUnfused, pow2), reference) == 0);
    }
  }
}

TEST_CASE(
    "te-python: infinity and NaN go through the formula, NaN with pow2 gives 0.5, bf16 has its own largest number") {
  for (const bool pow2 : {false, true}) {
    for (const bool in_bf16 : {false, true}) {
      QuantizerSettings spec = tensor_spec("e4m3", Arithmetic::TePython, pow2);
      spec.through_bf16 = in_bf16;
      CHECK(wrong_scales(spec, [&](double amax, double max) {
              double s = fl(max / amax);
              if (std::isinf(s)) s = in_bf16 ? 3.3895313892515355e38 : reference::kLargestFloat;
              if (pow2) s = std::isnan(s) ? 0.5 : std::isinf(amax) ? 0.0 : floor_power(s);
              if (amax == 0.0) s = 1.0;
              return with_inverse(s);
            }) == 0);
    }
  }
}

TEST_CASE(
    "torchao float8: a reciprocal and a product in binary64, amax floored at 1e-12, pow2 by the rounded logarithm") {
  for (const char* element : {"e4m3", "e5m2"}) {
    for (const bool pow2 : {false, true}) {
      CHECK(wrong_scales(tensor_spec(element, Arithmetic::Torchao, pow2, ScaleKind::Row),
                         [pow2](double amax, double max) {
                           double s = fl(max * (1.0 / (std::isnan(amax) ? amax : std::fmax(amax, 1e-12))));
                           if (pow2 && s > 0.0)
                             s = std::ldexp(1.0, static_cast<int>(std::floor(reference::log2_of(s))));
                           return with_inverse(s);
                         }) == 0);
    }
  }
  QuantizerSettings block = tensor_spec("e4m3", Arithmetic::Torchao, false, ScaleKind::Block);
  CHECK(wrong_scales(block, [](double amax, double max) {
          return with_inverse(fl(max / (std::isnan(amax) ? amax : std::fmax(amax, 1e-12))));
        }) == 0);
}

TEST_CASE("deepgemm and deepseek: amax / max, amax floored at 1e-4, inverted or divided by; ue8m0 rounds up") {
  for (const bool up : {false, true}) {
    CHECK(wrong_scales(tensor_spec("e4m3", Arithmetic::DeepGemm, up, ScaleKind::Block), [up](double amax, double max) {
            const double sf = reference::deepgemm_scale(amax, max, 1e-4, up);
            return Pair{fl(1.0 / sf), sf};
          }) == 0);
  }
  CHECK(wrong_scales(tensor_spec("e4m3", Arithmetic::DeepSeek, false, ScaleKind::Block), [](double amax, double max) {
          const double sf = reference::deepgemm_scale(amax, max, 1e-4, false);
          return Pair{sf, sf};
        }) == 0);
}

TEST_CASE("int8 per token: amax / 127 and its inverse, a row of zeros at scale 1") {
  QuantizerSettings spec = tensor_spec("int8", Arithmetic::DeepGemm, false, ScaleKind::Row);
  spec.amax_floor = 0.0;
  CHECK(wrong_scales(spec, [](double amax, double) {
          const double sf = fl(amax / 127.0);
          return sf == 0.0 ? Pair{1.0, 1.0} : Pair{fl(1.0 / sf), sf};
        }) == 0);
  const Quantized got = quantize_all({1.0f, -2.0f, 0.5f, 0.0f, 0.0f, 0.0f}, {2, 3, 1}, spec);
  CHECK(got.values == std::vector<float>{64.0f, -127.0f, 32.0f, 0.0f, 0.0f, 0.0f});
  CHECK(got.scales[1] == 1.0f);
}

TEST_CASE(
    "ms-amp: a power of two from the rounded logarithm, the previous scale for 0 and NaN, its inverse for infinity") {
  for (const float previous : {1.0f, 8.0f, 0.25f}) {
    CHECK(wrong_scales(
              tensor_spec("e4m3", Arithmetic::MsAmp),
              [previous](double amax, double max) {
                const double ratio = fl(fl(1.0 / amax) * max);
                const double e = ratio == 0.0                         ? -reference::kInf
                                 : std::isnan(ratio) || ratio > 1e300 ? ratio
                                                                      : std::floor(reference::log2_of(ratio));
                double s = fl(std::exp2(std::fabs(e)));
                if (!(amax > 0.0) || !std::isfinite(amax)) s = previous;
                if (e < 0.0) s = fl(1.0 / s);
                return with_inverse(s);
              },
              previous) == 0);
  }
  const ScaleConstants constants = prepare_scales(tensor_spec("e4m3", Arithmetic::MsAmp), 8.0f);
  CHECK(scale_of(constants, kInfF).multiply == 0.125f);
  CHECK(scale_of(constants, 0.0f).multiply == 8.0f);
  CHECK(scale_of(constants, kNanF).multiply == 8.0f);
  CHECK(scale_of(constants, 7.0000005f).multiply == 64.0f);
  CHECK(scale_of(constants, 1e-36f).multiply == kInfF);  // below 1.3e-36: everything becomes 0
  CHECK(scale_of(constants, 1e-36f).inverse == 0.0f);
}

TEST_CASE("power-of-two scales: amax 7.0000005 gives te 32; amax 229376.02 gives te 2^-10 and torchao 2^-9") {
  const ScaleConstants te = prepare_scales(tensor_spec("e4m3", Arithmetic::Te, true));
  const ScaleConstants torchao = prepare_scales(tensor_spec("e4m3", Arithmetic::Torchao, true, ScaleKind::Row));
  CHECK(scale_of(te, 7.0000005f).multiply == 32.0f);
  CHECK(scale_of(te, 229376.02f).multiply == 0x1p-10f);
  CHECK(scale_of(torchao, 229376.02f).multiply == 0x1p-9f);
}

TEST_CASE("ue8m0, te's pow2 and rceil are one exponent for every mantissa of e4m3, and of e5m2") {
  for (const char* element : {"e4m3", "e5m2"}) {
    QuantizerSettings deepgemm = tensor_spec(element, Arithmetic::DeepGemm, true, ScaleKind::Block);
    const QuantizerSettings te = tensor_spec(element, Arithmetic::Te, true);
    const QuantizerSettings rceil = block_spec(element, ScaleRule::Rceil, Arithmetic::Te, 32);
    const ScaleConstants a = prepare_scales(deepgemm), b = prepare_scales(te), c = prepare_scales(rceil);
    int wrong = 0;
    for (std::uint32_t mantissa = 0; mantissa < 0x800000u; mantissa += 3) {
      const float amax = float_of(0x3F800000u | mantissa);
      const float s = scale_of(a, amax).inverse;
      wrong += s != scale_of(b, amax).inverse || s != scale_of(c, amax).inverse;
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("dequantizing: te multiplies by fl(1/s), torchao divides by s") {
  const float amax = 3.9673162f, x = 1.4679537f;
  CHECK(quantize_block({amax, x}, tensor_spec("e4m3", Arithmetic::Te)).dequantized[1] == 1.4168987f);
  CHECK(quantize_block({amax, x}, tensor_spec("e4m3", Arithmetic::Torchao)).dequantized[1] == 1.4168986f);
}

TEST_CASE("tiny amax: te keeps it, torchao floors it at 1e-12; a tensor of zeros has scale 1 and 4.48e14") {
  // 1e-38 times the largest float is 3.40; its inverse is 2^-128 (1 + 2^-24), a subnormal that is rounded to 2^-128.
  CHECK(quantize_block({1e-38f}, tensor_spec("e4m3", Arithmetic::Te)).dequantized[0] == 3.5f * 0x1p-128f);
  CHECK(quantize_block({1e-38f}, tensor_spec("e4m3", Arithmetic::Torchao)).dequantized[0] == 0.0f);
  CHECK(quantize_block({0.0f}, tensor_spec("e4m3", Arithmetic::Te)).multipliers[0] == 1.0f);
  CHECK(quantize_block({0.0f}, tensor_spec("e4m3", Arithmetic::Torchao)).multipliers[0] == 4.48e14f);
}

TEST_CASE("order of operations: bf16 x -1.9453125 with amax 2.59375 is -320 in te and -352 in DeepGEMM") {
  const auto code = [](Arithmetic arithmetic) {
    QuantizerSettings spec = tensor_spec("e4m3", arithmetic, false, ScaleKind::Block);
    return quantize_block({2.59375f, -1.9453125f}, spec).values[1];
  };
  CHECK(code(Arithmetic::Te) == -320.0f);
  CHECK(code(Arithmetic::DeepGemm) == -352.0f);
}

TEST_CASE("deepseek divides: its codes differ from DeepGEMM's on some bf16 numbers, and agree with a division") {
  QuantizerSettings deepgemm = tensor_spec("e4m3", Arithmetic::DeepGemm, false, ScaleKind::Block);
  QuantizerSettings deepseek = deepgemm;
  deepseek.arithmetic = Arithmetic::DeepSeek;
  deepgemm.block_along = deepseek.block_along = 128;
  std::vector<float> in = inputs_of("bf16", 64, 4096);
  const MatrixShape shape{64, 4096, 1};
  const Quantized a = quantize_all(in, shape, deepgemm), b = quantize_all(in, shape, deepseek);
  CHECK(count_differences(a.values, b.values) > 0);
  int wrong = 0;
  for (std::size_t i = 0; i < in.size(); ++i)
    wrong += b.values[i] != reference::nearest(deepseek.format, fl(in[i] / static_cast<double>(b.scales[i / 128])));
  CHECK(wrong == 0);
}

TEST_CASE("blocks of small gradients: DeepGEMM's steps are 1e-4 / 448 / 512, an infinity spoils the block") {
  const QuantizerSettings spec = tensor_spec("e4m3", Arithmetic::DeepGemm, false, ScaleKind::Block);
  CHECK(quantize_block({1e-6f}, spec).scales[0] == 1e-4f / 448.0f);
  CHECK(quantize_block({2e-10f}, spec).values[0] == 0.0f);
  const Quantized bad = quantize_block({kInfF, 1.0f, -3.0f}, spec);
  for (const float x : bad.dequantized) CHECK(is_nan(x));
}

TEST_CASE("an infinite tensor: te's kernel keeps scale 1 and saturates, its Python gives NaN throughout") {
  const std::vector<float> x = {kInfF, 2.0f, -0.5f};
  CHECK(quantize_block(x, tensor_spec("e4m3", Arithmetic::Te)).dequantized == std::vector<float>{448.0f, 2.0f, -0.5f});
  for (const float value : quantize_block(x, tensor_spec("e4m3", Arithmetic::TePython)).dequantized)
    CHECK(is_nan(value));
  const Quantized nan = quantize_block({kNanF, 2.0f}, tensor_spec("e4m3", Arithmetic::TePython, true));
  CHECK(nan.multipliers[0] == 0.5f);
  CHECK(nan.dequantized[1] == 2.0f);
}

TEST_CASE("torchao's tensor of bf16 dequantizes to bf16, its rows do not") {
  QuantizerSettings spec = tensor_spec("e4m3", Arithmetic::Torchao);
  spec.through_bf16 = true;
  const std::vector<float> in = inputs_of("normal", 4, 33);
  for (const float x : quantize_all(in, {4, 33, 1}, spec).dequantized) CHECK((bits_of(x) & 0xFFFFu) == 0u);
  spec.kind = ScaleKind::Row;
  int beyond_bf16 = 0;
  for (const float x : quantize_all(in, {4, 33, 1}, spec).dequantized) beyond_bf16 += (bits_of(x) & 0xFFFFu) != 0;
  CHECK(beyond_bf16 > 0);
}

TEST_CASE("every rule has one row: a word that is read back, a help, an arithmetic that has it") {
  std::vector<std::string> words;
  for (const ScaleRuleInfo& rule : scale_rules()) {
    INFO(rule.name);
    CHECK((parse_scale_rule(rule.name) == rule.rule));
    CHECK(to_string(rule.rule) == rule.name);
    CHECK(std::string(rule.help).size() > 10);
    CHECK(has_rule(Arithmetic::Torchao, rule.rule));
    CHECK(std::count(words.begin(), words.end(), rule.name) == 0);
    words.emplace_back(rule.name);
  }
  // Enumerators without a row are refused by number.
  CHECK_THROWS(to_string(static_cast<ScaleRule>(words.size())));
  CHECK(words.size() == 7);
}

TEST_CASE("a rule of E8M0 scales gives powers of two and is refused where scales are not per block") {
  for (const ScaleRuleInfo& rule : scale_rules()) {
    INFO(rule.name);
    QuantizerSettings spec = block_spec("e4m3", rule.rule, Arithmetic::Torchao, 32);
    if (!rule.is_e8m0) continue;
    for (const float amax : {0x1.8p-140f, 1e-30f, 0.3f, 448.0f, 3e38f}) {
      const BlockScale scale = scale_of(prepare_scales(spec), amax);
      int exponent = 0;
      CHECK(std::frexp(scale.multiply, &exponent) == 0.5f);
      CHECK(scale.multiply * scale.inverse == 1.0f);
    }
    spec.kind = ScaleKind::Row;
    CHECK_THROWS_WITH(quantizer_of(spec), Catch::Contains(std::string("must be block with rule ") + rule.name));
  }
}

}  // namespace precipice::test
