// SPDX-License-Identifier: Apache-2.0
// The door from words to quantizers: what they become, and that none is lost on the way.
#include "precision/scaling/quantizer_settings.h"

#include "precision/base/check.h"
#include "precision/format/format_presets.h"
#include "tests/support/catch.h"
#include "tests/support/quantizers.h"

namespace precipice::test {
namespace {

QuantizerSettings blocks(ScaleRule rule, const char* format = "e4m3") {
  QuantizerSettings settings = in_format(format);
  settings.kind = ScaleKind::Block;
  settings.rule = rule;
  settings.block_across = 2;
  settings.block_along = 16;
  return settings;
}

}  // namespace

TEST_CASE("words become the scaling that they name, with the fields that it has") {
  QuantizerSettings s = in_format("e4m3");
  CHECK((quantizer_of(s).scaling == Scaling(NoScaling{})));
  s.kind = ScaleKind::Fixed, s.fixed = 4;
  CHECK((quantizer_of(s).scaling == Scaling(FixedScaling{4})));
  s.kind = ScaleKind::Column, s.power_of_two = true, s.amax_floor = 0.5;
  CHECK((quantizer_of(s).scaling == Scaling(AmaxScaling{Granularity::Column, {true, 0.5}})));
  s = blocks(ScaleRule::Amax), s.amax_floor = 2;
  CHECK((quantizer_of(s).scaling == Scaling(BlockAmaxScaling{{2, 16}, {false, 2.0}})));
  s = blocks(ScaleRule::Floor), s.exponent_bump = true;
  CHECK((quantizer_of(s).scaling == Scaling(MxScaling{.block = {2, 16}, .exponent_bump = true})));
  s = blocks(ScaleRule::Floor), s.arithmetic = Arithmetic::Microxcaling, s.flush_subnormal_blocks = true;
  CHECK((quantizer_of(s).scaling == Scaling(MxScaling{.block = {2, 16}, .flush_subnormal_blocks = true})));
  s = blocks(ScaleRule::Rceil), s.arithmetic = Arithmetic::DeepGemm, s.amax_floor = 0.25;
  CHECK(
      (quantizer_of(s).scaling == Scaling(MxScaling{.rule = ScaleRule::Rceil, .block = {2, 16}, .amax_floor = 0.25})));
  s = blocks(ScaleRule::SharedExponent, "e0m7");
  CHECK((quantizer_of(s).scaling == Scaling(MxScaling{.rule = ScaleRule::SharedExponent, .block = {2, 16}})));
  s = blocks(ScaleRule::Nvfp4, "e2m1"), s.row_scaled = true, s.four_over_six = FourOverSix::Mse,
  s.four_over_six_max = 256;
  CHECK((quantizer_of(s).scaling == Scaling(Nvfp4Scaling{{2, 16}, true, true, FourOverSix::Mse, 256})));
  s = in_format("e5m2"), s.kind = ScaleKind::Tensor, s.delayed = DelayedRule{.history = 3};
  CHECK((quantizer_of(s).scaling == Scaling(DelayedScaling{{.history = 3}})));
  s.rounding = Rounding::Stochastic, s.random_bits = 5, s.through_bf16 = true, s.hadamard = true,
  s.arithmetic = Arithmetic::Torchao;
  const Quantizer q = s;
  CHECK((q.element == ElementQuantizer{kE5m2, Rounding::Stochastic, Overflow::Saturate, 5, true}));
  CHECK((q.arithmetic == Arithmetic::Torchao && q.hadamard));
}

TEST_CASE("settings make a quantizer with their scale however it is written, elements one without") {
  QuantizerSettings settings = in_format("e4m3");
  settings.kind = ScaleKind::Row;
  const Quantizer direct(settings), braces{settings}, copied = settings;
  for (const Quantizer& q : {direct, braces, copied}) CHECK((q.scaling == Scaling(AmaxScaling{Granularity::Row, {}})));
  CHECK_FALSE(Quantizer(in_format("e4m3")).is_scaled());
  CHECK((QuantizerSettings(in_format("e4m3")) == QuantizerSettings(Quantizer(in_format("e4m3")).element)));
}

TEST_CASE("a word of a scaling that there is not is refused by name, and none is lost") {
  const auto refuses = [](QuantizerSettings settings, auto change, const char* what) {
    CHECK_NOTHROW(quantizer_of(settings));
    change(settings);
    CHECK_THROWS_WITH(quantizer_of(settings), Catch::Contains(what));
  };
  const QuantizerSettings ceil = blocks(ScaleRule::Ceil), amax = blocks(ScaleRule::Amax);
  refuses(
      ceil, [](auto& s) { s.kind = ScaleKind::Tensor; }, "scale = tensor: must be block with rule ceil");
  refuses(
      ceil, [](auto& s) { s.power_of_two = true; }, "pow2 = true: rule ceil has its own scales");
  refuses(
      ceil, [](auto& s) { s.exponent_bump = true; }, "exponent_bump = true: needs rule floor");
  refuses(
      amax, [](auto& s) { s.exponent_bump = true; }, "exponent_bump = true: needs rule floor");
  refuses(
      amax, [](auto& s) { s.flush_subnormal_blocks = true; }, "flush_subnormal_blocks = true: needs arithmetic");
  refuses(
      amax, [](auto& s) { s.two_level = false; }, "two_level = false: needs rule nvfp4");
  refuses(
      amax, [](auto& s) { s.row_scaled = true; }, "row_scaled = true: needs rule nvfp4");
  refuses(
      amax, [](auto& s) { s.four_over_six = FourOverSix::Mae; }, "four_over_six = mae: needs rule nvfp4");
  refuses(
      amax, [](auto& s) { s.four_over_six_max = 256; }, "four_over_six_max = 256: needs four_over_six");
  refuses(
      amax, [](auto& s) { s.delayed = DelayedRule{}; }, "scale = block: must be tensor with rule amax for delayed");
  refuses(
      amax, [](auto& s) { s.range = kE4m3; }, "range = e4m3: needs unscaled elements");
  refuses(
      amax, [](auto& s) { s.amax_floor = -1; }, "amax_floor = -1: must not be negative");
}

}  // namespace precipice::test
