// SPDX-License-Identifier: Apache-2.0
// Microscaling blocks as torchao, TransformerEngine, microxcaling and DeepGEMM compute them: every kind of input
// against the recipes in other arithmetic, and the places where the peers disagree, with the numbers that show it.
#include "precision/base/check.h"
#include "precision/scaling/quantizer_settings.h"
#include "tests/precision/scaling/scaling_support.h"
#include "tests/support/catch.h"
#include "tests/support/reference_scaling.h"

namespace precipice::test {
namespace {

using reference::MicroxcalingRounding;
using reference::MxRule;

const std::vector<const char*> kElements = {"e4m3", "e5m2", "e3m2", "e2m3", "e2m1"};
const char* const kInt8 = "e0m7:lsb=-6,specials=finite";  // MXINT8, clamped to both sides alike

// `x` in a block of 32 whose largest element is `amax`: grid value times scale.
float in_block(const QuantizerSettings& spec, float amax, float x) {
  std::vector<float> block(32, 0.0f);
  block[0] = amax;
  block[1] = x;
  return quantize_block(block, spec).dequantized[1];
}
float scale_of_block(const QuantizerSettings& spec, float amax) {
  std::vector<float> block(32, 0.0f);
  block[0] = amax;
  return quantize_block(block, spec).scales[0];
}

QuantizerSettings torchao(const char* element, ScaleRule rule) {
  return block_spec(element, rule, Arithmetic::Torchao, 32);
}
QuantizerSettings microxcaling(const char* element, Rounding rounding) {
  QuantizerSettings spec = block_spec(element, ScaleRule::Floor, Arithmetic::Microxcaling, 32);
  spec.rounding = rounding;
  return spec;
}
QuantizerSettings cuda(const char* element, Rounding rounding) {
  QuantizerSettings spec = microxcaling(element, rounding);
  spec.arithmetic = Arithmetic::MicroxcalingCuda;
  return spec;
}

MicroxcalingRounding name_of(Rounding rounding) {
  if (rounding == Rounding::NearestAway) return MicroxcalingRounding::Nearest;
  return rounding == Rounding::NearestEven ? MicroxcalingRounding::Even : MicroxcalingRounding::Floor;
}

}  // namespace

TEST_CASE("torchao's MX blocks agree with the recipe for every rule, element and kind of input") {
  const std::pair<ScaleRule, MxRule> rules[] = {{ScaleRule::Floor, MxRule::Floor},
                                                {ScaleRule::Ceil, MxRule::Ceil},
                                                {ScaleRule::Rceil, MxRule::Rceil},
                                                {ScaleRule::Even, MxRule::Even}};
  for (const char* element : kElements) {
    for (const auto& [rule, named] : rules) {
      const QuantizerSettings spec = torchao(element, rule);
      check_blocks(spec, 64, 96, [&, which = named](const std::vector<float>& block, const std::vector<float>&) {
        return reference::mx(block, spec.format, which, false);
      });
    }
  }
}

TEST_CASE("an exponent bump doubles the scale where amax is beyond the largest element, and only there") {
  for (const Arithmetic arithmetic :
       {Arithmetic::Te, Arithmetic::Torchao, Arithmetic::Microxcaling, Arithmetic::MicroxcalingCuda})
    for (const char* element : {"e4m3", "e5m2", "e2m3", "e2m1", kInt8}) {
      QuantizerSettings plain = block_spec(element, ScaleRule::Floor, arithmetic, 32), bumped = plain;
      bumped.exponent_bump = true;
      const double max = static_cast<double>(plain.format.max_finite());
      for (const std::string& kind : kInputKinds) {
        const std::vector<float> in = inputs_of(kind, 32, 96);
        const Quantized without = quantize_all(in, {32, 96, 1}, plain), with = quantize_all(in, {32, 96, 1}, bumped);
        int wrong = 0, raised = 0;
        for (std::size_t b = 0; b < with.scales.size(); ++b) {
          const double amax = reference::amax_of(
              {in.begin() + static_cast<std::ptrdiff_t>(32 * b), in.begin() + static_cast<std::ptrdiff_t>(32 * b + 32)},
              arithmetic == Arithmetic::Te);
          const double scale = static_cast<double>(without.scales[b]);
          const bool beyond = std::isfinite(amax) && amax > max * scale;
          raised += beyond;
          wrong += !same(with.scales[b], static_cast<float>(beyond ? 2.0 * scale : scale));
        }
        INFO(to_string(arithmetic) << " " << element << " " << kind << " " << raised);
        CHECK(wrong == 0);
        // Half a binade and more of E4M3's blocks are below the end, a fifth above it.
        if (kind == "normal" && std::string(element) == "e4m3") CHECK((raised > 5 && raised < 60));
        if (kind == "normal") CHECK(with.counts.saturated == 0);
      }
    }
}

TEST_CASE("TransformerEngine's MX blocks agree with the recipe, ragged and two-dimensional ones too") {
  for (const char* element : kElements) {
    QuantizerSettings spec = block_spec(element, ScaleRule::Rceil, Arithmetic::Te, 32);
    const auto recipe = [&](const std::vector<float>& block, const std::vector<float>&) {
      return reference::mx(block, spec.format, MxRule::Rceil, true);
    };
    check_blocks(spec, 37, 75, recipe);
    spec.block_across = 32;
    check_blocks(spec, 37, 75, recipe);
  }
}

TEST_CASE("microxcaling's Python agrees with the recipe for every rounding, in float32 and bf16") {
  for (const char* element : {"e4m3", "e5m2", "e3m2", "e2m3", "e2m1", kInt8}) {
    for (const Rounding rounding : {Rounding::NearestEven, Rounding::NearestAway, Rounding::TowardZero}) {
      for (const bool in_bf16 : {false, true}) {
        QuantizerSettings spec = microxcaling(element, rounding);
        spec.through_bf16 = in_bf16;
        spec.flush_subnormal_blocks = rounding == Rounding::TowardZero;
        const int bits = spec.format.is_fixed_point() ? 6 : spec.format.mantissa_bits;
        check_blocks(spec, 33, 70, [&](std::vector<float> block, const std::vector<float>&) {
          if (in_bf16) {
            for (float& x : block) x = static_cast<float>(reference::bf16(x));
          }
          return reference::microxcaling(block, spec.format, bits, reference::max_finite(spec.format),
                                         name_of(rounding), in_bf16, spec.flush_subnormal_blocks);
        });
      }
    }
  }
}

TEST_CASE("just below powers of two many mantissa bits show microxcaling's rounded logarithm, and few do not") {
  // amax 1.5 * 2^31 makes the scale 2^0, so that elements are what is rounded.
  for (const char* element : {"e6m3", "e6m10", "e6m14", "e6m15", "e6m18", "e6m22"})
    for (const Rounding rounding : {Rounding::NearestEven, Rounding::NearestAway, Rounding::TowardZero}) {
      const QuantizerSettings spec = microxcaling(element, rounding);
      for (const int k : {31, 20, 9, 3, 1, -2, -20, -29}) {
        std::vector<float> block = {0x1.8p31f};
        for (std::uint32_t ulps = 1; ulps < 40; ++ulps) {
          block.push_back(float_of(bits_of(std::ldexp(1.0f, k)) - ulps));
          block.push_back(-block.back());
        }
        const reference::Block expected =
            reference::microxcaling(block, spec.format, spec.format.mantissa_bits, reference::max_finite(spec.format),
                                    name_of(rounding), false, false);
        INFO(element << " " << to_string(rounding) << " 2^" << k);
        CHECK(count_differences(quantize_block(block, spec).values, expected.q) == 0);
      }
    }
}

TEST_CASE("microxcaling's C++ functions agree with the recipe for every rounding") {
  for (const char* element : {"e4m3", "e5m2", "e3m2", "e2m3", "e2m1", kInt8}) {
    for (const Rounding rounding : {Rounding::NearestEven, Rounding::NearestAway, Rounding::TowardZero}) {
      QuantizerSettings spec = cuda(element, rounding);
      spec.flush_subnormal_blocks = rounding == Rounding::TowardZero;
      check_blocks(spec, 33, 70, [&](const std::vector<float>& block, const std::vector<float>&) {
        return reference::microxcaling_cuda(block, spec.format, rounding, spec.flush_subnormal_blocks);
      });
    }
  }
}

TEST_CASE("MXINT8 in two's complement is clamped to both sides alike, as microxcaling does") {
  CHECK(in_block(microxcaling("mxint8", Rounding::NearestEven), 1.999f, -1.999f) == -127.0f / 64.0f);
  CHECK(in_block(cuda("mxint8", Rounding::NearestEven), 1.999f, -1.999f) == -127.0f / 64.0f);
}

TEST_CASE("ties: microxcaling's nearest goes away from zero, torchao's to even") {
  CHECK(in_block(microxcaling("e4m3", Rounding::NearestAway), 32768.0f, 0.125f) == 0.25f);
  CHECK(in_block(torchao("e4m3", ScaleRule::Floor), 32768.0f, 0.125f) == 0.0f);
}

TEST_CASE("shared exponent: 7.9999995 counts as 8 in microxcaling and becomes 8, in torchao 7") {
  for (const Rounding rounding : {Rounding::NearestEven, Rounding::NearestAway}) {
    const QuantizerSettings spec = microxcaling("e4m3", rounding);
    CHECK(scale_of_block(spec, 7.9999995f) == 0x1p-5f);
    CHECK(in_block(spec, 7.9999995f, 7.9999995f) == 8.0f);
  }
  CHECK(scale_of_block(torchao("e4m3", ScaleRule::Floor), 7.9999995f) == 0x1p-6f);
  CHECK(in_block(torchao("e4m3", ScaleRule::Floor), 7.9999995f, 7.9999995f) == 7.0f);
  CHECK(scale_of_block(cuda("e4m3", Rounding::NearestEven), 7.9999995f) == 0x1p-6f);
}

TEST_CASE("zero: microxcaling drops the sign of -0 but not of what rounds to it, its C++ drops both, torchao none") {
  CHECK(bits_of(in_block(microxcaling("e4m3", Rounding::NearestEven), 7.0f, -0.0f)) == 0u);
  CHECK(bits_of(in_block(microxcaling("e4m3", Rounding::NearestEven), 7.0f, -1e-9f)) == 0x80000000u);
  CHECK(bits_of(in_block(cuda("e4m3", Rounding::NearestEven), 7.0f, -1e-9f)) == 0u);
  CHECK(bits_of(in_block(torchao("e4m3", ScaleRule::Floor), 7.0f, -0.0f)) == 0x80000000u);
}

TEST_CASE("adding a half rounds: just below the tie microxcaling goes up") {
  CHECK(in_block(microxcaling("e2m1", Rounding::NearestEven), 7.0f, 0.24999999f) == 0.5f);
  CHECK(in_block(microxcaling("e2m1", Rounding::NearestAway), 7.0f, 0.24999999f) == 0.5f);
  CHECK(in_block(torchao("e2m1", ScaleRule::Floor), 7.0f, 0.24999999f) == 0.0f);
}

TEST_CASE("truncation just below a power of two: microxcaling's Python 0.21875, its C++ 0.234375") {
  CHECK(in_block(microxcaling("e4m3", Rounding::TowardZero), 7.0f, 0.24999999f) == 0.21875f);
  CHECK(in_block(cuda("e4m3", Rounding::TowardZero), 7.0f, 0.24999999f) == 0.234375f);
}

TEST_CASE("amax within 44 ulp of 2^128: microxcaling dequantizes to infinity and int8 to NaN, torchao saturates") {
  const float top = 3.4028235e38f;
  for (const char* element : kElements)
    CHECK(in_block(microxcaling(element, Rounding::NearestEven), top, top) == kInfF);
  CHECK(is_nan(in_block(microxcaling("mxint8", Rounding::NearestEven), top, top)));
  CHECK(std::isfinite(in_block(torchao("e4m3", ScaleRule::Floor), top, top)));
}

TEST_CASE("a block of zeros: microxcaling 2^-127 and int8 2^-126, its C++ and torchao 2^-127, values zero") {
  CHECK(scale_of_block(microxcaling("e4m3", Rounding::NearestEven), 0.0f) == 0x1p-127f);
  CHECK(scale_of_block(microxcaling("mxint8", Rounding::NearestEven), 0.0f) == 0x1p-126f);
  CHECK(scale_of_block(cuda("mxint8", Rounding::NearestEven), 0.0f) == 0x1p-127f);
  CHECK(scale_of_block(torchao("e4m3", ScaleRule::Rceil), 0.0f) == 0x1p-127f);
  CHECK(bits_of(in_block(torchao("e4m3", ScaleRule::Rceil), 0.0f, -0.0f)) == 0x80000000u);
}

TEST_CASE("subnormal blocks: torchao keeps them, microxcaling flushes them on request and keeps the scale") {
  // 2.53e-40; torchao 0.18.0 gave half of it, and zero with rceil.
  CHECK(in_block(torchao("e4m3", ScaleRule::Floor), 1.4e-39f, 2.63e-40f) == 11.0f * 0x1p-135f);
  CHECK(in_block(torchao("e4m3", ScaleRule::Rceil), 1.4e-39f, 2.63e-40f) == 11.0f * 0x1p-135f);
  QuantizerSettings spec = microxcaling("e4m3", Rounding::NearestEven);
  CHECK(in_block(spec, 1.4e-39f, 1.4e-39f) != 0.0f);
  const float scale = scale_of_block(spec, 1.4e-39f);
  spec.flush_subnormal_blocks = true;
  CHECK(bits_of(in_block(spec, 1.4e-39f, -1.4e-39f)) == 0u);
  CHECK(scale_of_block(spec, 1.4e-39f) == scale);
}

TEST_CASE("rceil is the smallest power of two that does not clip: 448 2^-12 keeps 2^-12, one ulp more takes 2^-11") {
  const float edge = 448.0f * 0x1p-12f;
  for (const Arithmetic arithmetic : {Arithmetic::Torchao, Arithmetic::Te}) {
    const QuantizerSettings spec = block_spec("e4m3", ScaleRule::Rceil, arithmetic, 32);
    CHECK(scale_of_block(spec, edge) == 0x1p-12f);
    CHECK(scale_of_block(spec, 0.10937501f) == 0x1p-11f);
    // Elements below 2 could need 2^128, which E8M0 does not have.
    CHECK(scale_of_block(block_spec(kInt8, ScaleRule::Rceil, arithmetic, 32), std::numeric_limits<float>::max()) ==
          0x1p127f);
    CHECK(is_nan(scale_of(prepare_scales(spec), kNanF).inverse));
  }
}

TEST_CASE("even raises the exponent from mantissa 1.9375 (e4m3), 1.875 (e5m2) and 1.75 (e2m1) on, bound included") {
  const std::pair<const char*, float> bounds[] = {
      {"e4m3", 1.9375f}, {"e2m3", 1.9375f}, {"e5m2", 1.875f}, {"e3m2", 1.875f}, {"e2m1", 1.75f}};
  for (const auto& [element, bound] : bounds) {
    const float below = float_of(bits_of(bound) - 1);
    CHECK(scale_of_block(torchao(element, ScaleRule::Even), bound) ==
          2.0f * scale_of_block(torchao(element, ScaleRule::Even), below));
  }
  CHECK(is_nan(scale_of_block(torchao("e4m3", ScaleRule::Even), 1.9375f * 0x1p127f)));
  CHECK(in_block(torchao("e4m3", ScaleRule::Ceil), 1.94f * 0x1p127f, 1.94f * 0x1p127f) == kInfF);
}

TEST_CASE("NaN and infinity: torchao and microxcaling spoil the block, te keeps a NaN to itself and saturates inf") {
  const QuantizerSettings te = block_spec("e4m3", ScaleRule::Rceil, Arithmetic::Te, 32);
  for (const float bad : {kNanF, kInfF, -kInfF}) {
    for (const ScaleRule rule : {ScaleRule::Floor, ScaleRule::Ceil, ScaleRule::Rceil, ScaleRule::Even})
      CHECK(is_nan(in_block(torchao("e4m3", rule), bad, 1.0f)));
    CHECK(is_nan(in_block(microxcaling("e4m3", Rounding::NearestEven), bad, 1.0f)));
    CHECK(is_nan(in_block(cuda("e4m3", Rounding::NearestEven), bad, 1.0f)));
  }
  CHECK(in_block(te, 2.0f, kNanF) != in_block(te, 2.0f, kNanF));
  CHECK(in_block(te, kNanF, 1.75f) == 1.75f);
  CHECK(scale_of_block(te, kInfF) == 0x1p127f);
  CHECK(in_block(te, kInfF, 3.0f) == 0.0f);
  CHECK(quantize_block({kInfF, 1.0f}, te).values[0] == 448.0f);
}

TEST_CASE("in bf16 amax 1.992 2^k has twice the scale from k = 2 on") {
  QuantizerSettings spec = microxcaling("e4m3", Rounding::NearestEven);
  CHECK(scale_of_block(spec, 7.96875f) == 0x1p-6f);
  spec.through_bf16 = true;
  CHECK(scale_of_block(spec, 7.96875f) == 0x1p-5f);
  CHECK(scale_of_block(spec, 3.984375f) == 0x1p-7f);
}

TEST_CASE("DeepGEMM's MXFP4 sends ties toward zero, drops -0 and floors amax at 1e-4") {
  const QuantizerSettings spec = block_spec("e2m1", ScaleRule::Rceil, Arithmetic::DeepGemm, 32);
  const float ties[][2] = {{0.25f, 0.0f}, {0.75f, 0.5f}, {1.25f, 1.0f}, {1.75f, 1.5f},
                           {2.5f, 2.0f},  {3.5f, 3.0f},  {5.0f, 4.0f}};
  for (const auto& [tie, below] : ties) {
    CHECK(in_block(spec, 6.0f, tie) == below);
    CHECK(in_block(spec, 6.0f, -tie) == -below);
    CHECK(in_block(spec, 6.0f, float_of(bits_of(tie) + 1)) > below);
  }
  CHECK(bits_of(in_block(spec, 6.0f, -0.25f)) == 0u);
  CHECK(in_block(spec, 2.8e-6f, 2.8e-6f) == 0.0f);
}

TEST_CASE(
    "TransformerEngine's power-of-two branch of FP4 has half of torchao's rceil scale where the logarithm rounds") {
  const float amax = 1.4305116e-06f, x = -3.576279e-07f;
  const QuantizerSettings te = block_spec("e2m1", ScaleRule::Rceil, Arithmetic::TePython, 32);
  CHECK(scale_of_block(te, amax) * 2.0f == scale_of_block(torchao("e2m1", ScaleRule::Rceil), amax));
  CHECK(in_block(te, amax, x) == -3.5762787e-07f);
  CHECK(in_block(torchao("e2m1", ScaleRule::Rceil), amax, x) == -4.7683716e-07f);
}

TEST_CASE("block floating point: exact exponents, any mantissa, a block of zeros at scale 1") {
  for (const char* element : {"e0m3:lsb=-2", "e0m7:lsb=-6", "e0m10:lsb=-9"}) {
    const QuantizerSettings spec = block_spec(element, ScaleRule::SharedExponent, Arithmetic::Te, 16);
    check_blocks(spec, 20, 33, [&](const std::vector<float>& block, const std::vector<float>&) {
      const double amax = reference::amax_of(block);
      if (!std::isfinite(amax)) return reference::apply(block, spec.format, std::nan(""), std::nan(""));
      const int s = amax == 0.0 ? 0 : std::min(127, std::max(-127, reference::exact_log2(amax)));
      return reference::apply(block, spec.format, std::ldexp(1.0, -s), std::ldexp(1.0, s));
    });
  }
}

}  // namespace precipice::test
