// SPDX-License-Identifier: Apache-2.0
// The table of the rules: which of the formulas (scale_rule_formulas.h) each arithmetic has, over many blocks at once.
#include "precision/scaling/scale_rules.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "precision/base/check.h"
#include "precision/base/spellings.h"
#include "precision/format/format_presets.h"
#include "precision/format/log2_exponent.h"
#include "precision/kernels/isa.h"
#include "precision/kernels/quantize_isa.h"
#include "precision/scaling/scale_rule_formulas.h"
#include "precision/scaling/scale_rule_table.h"

namespace precipice {
namespace {

using namespace scale_rule;

// Blocks whose scales are wanted: their amaxes, and where the scales go.
struct Blocks {
  const float* amaxes;
  int count;
  const OuterScale& outer;
  float *multiply, *inverse;
};

template <class Formula>
void for_all(const Blocks& blocks, Formula formula) {
  const float* amaxes = blocks.amaxes;
  float *multiply = blocks.multiply, *inverse = blocks.inverse;
  const int count = blocks.count;
  PRECIPICE_INDEPENDENT_LOOP
  for (int i = 0; i < count; ++i) {
    const BlockScale scale = formula(amaxes[i]);
    multiply[i] = scale.multiply;
    inverse[i] = scale.inverse;
  }
}

// ---- the rules, each as all arithmetics have it -------------------------------------------------------------------

void fill_amax(const ScaleConstants& c, const Blocks& blocks) {
  switch (c.arithmetic) {
    case Arithmetic::Te:
    case Arithmetic::TeUnfused:
      return for_all(blocks, [=](float amax) { return te_scale(c, amax); });
    case Arithmetic::TePython:
      return for_all(blocks, [=](float amax) { return te_python_scale(c, amax); });
    case Arithmetic::Torchao:
      return for_all(blocks, [=](float amax) { return torchao_scale(c, amax); });
    case Arithmetic::DeepGemm:
    case Arithmetic::DeepSeek:
      return for_all(blocks, [=](float amax) { return deepgemm_scale(c, amax); });
    case Arithmetic::MsAmp:
      return for_all(blocks, [=](float amax) { return ms_amp_block_scale(c, amax); });
    case Arithmetic::Microxcaling:
    case Arithmetic::MicroxcalingCuda:
      break;
  }
  PRECIPICE_CHECK(false, "arithmetic ", to_string(c.arithmetic), " has no rule amax");
}

template <ScaleRule kRule>
void fill_e8m0(const ScaleConstants& c, const Blocks& blocks) {
  const std::uint32_t end = end_of_e8m0(c.arithmetic);
  for_all(blocks, [=](float amax) { return e8m0_scale(mx_code<kRule>(c, amax, end)); });
}

void fill_floor(const ScaleConstants& c, const Blocks& blocks) {
  if (is_microxcaling(c.arithmetic)) return for_all(blocks, [=](float amax) { return microxcaling_scale(c, amax); });
  if (!c.exponent_bump) return fill_e8m0<ScaleRule::Floor>(c, blocks);
  const std::uint32_t end = end_of_e8m0(c.arithmetic);
  for_all(blocks, [=](float amax) { return e8m0_scale(bumped_code(c, amax, end)); });
}

void fill_rceil(const ScaleConstants& c, const Blocks& blocks) {
  if (c.arithmetic == Arithmetic::DeepGemm) return for_all(blocks, [=](float amax) { return deepgemm_scale(c, amax); });
  if (c.rounded_log2_mxfp4) return for_all(blocks, [=](float amax) { return te_mxfp4_scale(c, amax); });
  fill_e8m0<ScaleRule::Rceil>(c, blocks);
}

void fill_nvfp4(const ScaleConstants& c, const Blocks& blocks) {
  const OuterScale outer = blocks.outer;
  if (c.arithmetic == Arithmetic::Torchao)
    return for_all(blocks, [=](float amax) { return torchao_nvfp4(c, amax, outer); });
  constexpr float kSixth = 1.0f / 6.0f;
  constexpr int kPiece = 256;
  const float encode_sixth = outer.encode * kSixth;
  float wanted[kPiece], block_scales[kPiece];
  for (int begin = 0; begin < blocks.count; begin += kPiece) {
    const int size = std::min(kPiece, blocks.count - begin);
    for (int i = 0; i < size; ++i) wanted[i] = blocks.amaxes[begin + i] * encode_sixth;
    te_nvfp4_scales(c, wanted, size, outer, block_scales, blocks.multiply + begin, blocks.inverse + begin);
  }
}

void fill_shared_exponent(const ScaleConstants& c, const Blocks& blocks) {
  for_all(blocks, [=](float amax) { return shared_exponent_scale(c, amax); });
}

// ---- the table ----------------------------------------------------------------------------------------------------

using Arithmetics = std::uint32_t;  // a set

template <class... Some>
constexpr Arithmetics of(Some... arithmetics) {
  return ((1u << static_cast<int>(arithmetics)) | ...);
}

struct RuleRow {
  ScaleRuleInfo info;
  Arithmetics arithmetics;
  void (*fill)(const ScaleConstants&, const Blocks&);
};

using enum Arithmetic;
constexpr Arithmetics kTeAndTorchao = of(Te, TePython, TeUnfused, Torchao);
constexpr bool kE8m0 = true;

// A rule is an enumerator and a row here: its word, what it does in a few words, which arithmetics have it, its formula.
constexpr RuleRow kRuleRows[] = {
    {{ScaleRule::Amax, "amax", "max / amax in binary32, or the power of two below it"},
     kTeAndTorchao | of(DeepGemm, DeepSeek, MsAmp),
     fill_amax},
    {{ScaleRule::Floor, "floor", "2^(floor(log2 amax) - emax), OCP MX 1.0", kE8m0},
     kTeAndTorchao | of(Microxcaling, MicroxcalingCuda),
     fill_floor},
    {{ScaleRule::Ceil, "ceil", "2^(ceil(log2 amax) - emax)", kE8m0}, kTeAndTorchao, fill_e8m0<ScaleRule::Ceil>},
    {{ScaleRule::Rceil, "rceil", "the smallest power of two with amax <= max * scale", kE8m0},
     kTeAndTorchao | of(DeepGemm),
     fill_rceil},
    {{ScaleRule::Even, "even", "floor, of amax rounded to the element's mantissa bits", kE8m0},
     kTeAndTorchao,
     fill_e8m0<ScaleRule::Even>},
    {{ScaleRule::Nvfp4, "nvfp4", "E4M3 under a binary32 scale of the tensor"}, kTeAndTorchao, fill_nvfp4},
    {{ScaleRule::SharedExponent, "shared-exponent", "floor, with an exponent that has no end"},
     kTeAndTorchao,
     fill_shared_exponent},
};

constexpr auto kRuleWords = [] {
  Spellings<ScaleRule, std::size(kRuleRows)> words{};
  for (std::size_t i = 0; i < std::size(kRuleRows); ++i) words[i] = {kRuleRows[i].info.name, kRuleRows[i].info.rule};
  return words;
}();

const RuleRow& row_of(ScaleRule rule) {
  for (const RuleRow& row : kRuleRows)
    if (row.info.rule == rule) return row;
  PRECIPICE_CHECK(false, "no rule of number ", static_cast<int>(rule));
}

}  // namespace

std::vector<ScaleRuleInfo> scale_rules() {
  std::vector<ScaleRuleInfo> rules;
  for (const RuleRow& row : kRuleRows) rules.push_back(row.info);
  return rules;
}

bool has_rule(Arithmetic arithmetic, ScaleRule rule) {
  return (row_of(rule).arithmetics & of(arithmetic)) != 0;
}

bool is_e8m0(ScaleRule rule) {
  return row_of(rule).info.is_e8m0;
}

ScaleRule parse_scale_rule(std::string_view text) {
  return parse_spelling("rule", text, kRuleWords);
}

std::string to_string(ScaleRule rule) {
  return row_of(rule).info.name;
}

ScaleConstants prepare_scales(const Quantizer& quantizer, float previous_scale) {
  const FloatFormat& format = quantizer.element.format;
  ScaleConstants c{};
  c.arithmetic = quantizer.arithmetic;
  c.rule = rule_of(quantizer.scaling);
  c.max = format.max_finite();
  c.reciprocal_max = 1.0f / c.max;
  // Fixed point: the exponent of its largest number, as for every format.
  c.emax = binade_of(c.max).floor_log2;
  c.mantissa_bits = std::min(format.mantissa_bits, 22);
  c.through_bf16 = quantizer.element.through_bf16;
  c.rounded_log2_mxfp4 = quantizer.arithmetic == TePython && c.rule == ScaleRule::Rceil && format == kE2m1;
  c.e4m3 = prepare(kE4m3, Overflow::Saturate);
  c.previous_scale = previous_scale;
  c.is_of_blocks = block_of(quantizer.scaling) != nullptr;
  AmaxScale amax;
  if (const auto* all = quantizer.scaling_if<AmaxScaling>()) amax = all->scale;
  if (const auto* blocks = quantizer.scaling_if<BlockAmaxScaling>()) amax = blocks->scale;
  if (const auto* mx = quantizer.scaling_if<MxScaling>()) {
    amax.floor = mx->amax_floor;
    c.exponent_bump = mx->exponent_bump;
  }
  c.power_of_two = amax.power_of_two;
  c.floor = amax.floor.value_or(default_amax_floor(quantizer.arithmetic));
  const auto* nvfp4 = quantizer.scaling_if<Nvfp4Scaling>();
  c.two_level = nvfp4 != nullptr && nvfp4->two_level;
  c.block_scale_max = nvfp4 != nullptr ? nvfp4->four_over_six_max : 448;
  return c;
}

OuterScale outer_scale(const ScaleConstants& c, float amax) {
  return scale_rule::of_tensor(c, amax);
}

void te_nvfp4_scales(const ScaleConstants& c, const float* wanted, int count, const OuterScale& outer,
                     float* block_scales, float* multiply, float* inverse) {
  const float reciprocal_range = 1.0f / nvfp4_range(c.block_scale_max);
  active_kernels().blocks.nvfp4_scales(wanted, count, {outer.decode, outer.amax, reciprocal_range}, block_scales,
                                       multiply, inverse);
}

bool ignores_nan(const ScaleConstants& c) {
  return is_te(c.arithmetic) && row_of(c.rule).info.is_e8m0 && !c.rounded_log2_mxfp4;
}

void scales_of(const ScaleConstants& constants, const float* amaxes, int count, const OuterScale& outer,
               float* multiply, float* inverse) {
  const ScaleConstants c = constants;  // a copy, which no result can overlap
  row_of(c.rule).fill(c, {amaxes, count, outer, multiply, inverse});
}

BlockScale scale_of(const ScaleConstants& constants, float amax, const OuterScale& outer) {
  BlockScale scale;
  scales_of(constants, &amax, 1, outer, &scale.multiply, &scale.inverse);
  return scale;
}

}  // namespace precipice
