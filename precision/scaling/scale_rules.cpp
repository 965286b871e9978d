// SPDX-License-Identifier: Apache-2.0
// The formulas of all arithmetics, and below them the table of the rules. Divisions are divisions and products
// products: the last bit is part of a recipe.
#include "precision/scaling/scale_rules.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <limits>

#include "precision/base/check.h"
#include "precision/base/spellings.h"
#include "precision/format/format_presets.h"
#include "precision/format/log2_exponent.h"
#include "precision/kernels/isa.h"
#include "precision/kernels/quantize_isa.h"
#include "precision/scaling/scale_formulas.h"
#include "precision/scaling/scale_rule_table.h"

namespace precipice {
namespace {

constexpr float kFltMax = std::numeric_limits<float>::max();
constexpr float kBf16Max = 0x1.FEp127f;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// torch's minimum and maximum: NaN wins.
float smaller(float a, float b) {
  return std::isnan(a) || a < b ? a : b;
}
float larger(float a, float b) {
  return std::isnan(a) || a > b ? a : b;
}

// 2^floor(fl(log2 s)), and what torch makes of it for zero, infinity and NaN.
float power_of_rounded_log2(float s) {
  if (!(s > 0.0f) || std::isinf(s)) return s;
  return power_of_two(floor_of_rounded_log2(s));
}

BlockScale te_scale(const ScaleConstants& c, float amax) {
  const float a = amax < static_cast<float>(c.floor) ? static_cast<float>(c.floor) : amax;
  const float s = te_current_scale({.amax = a, .max_finite = c.max}, c.power_of_two);
  return {s, 1.0f / s};
}

// CurrentScalingQuantizerRef and scale_from_amax_tensor: infinities and NaNs go through the formula.
BlockScale te_python_scale(const ScaleConstants& c, float amax) {
  const float a = amax < static_cast<float>(c.floor) ? static_cast<float>(c.floor) : amax;
  float s = c.max / a;
  if (std::isinf(s)) s = c.through_bf16 ? kBf16Max : kFltMax;
  if (c.power_of_two) {
    s = std::isnan(s) ? 0.5f : floor_power_of_two(s);  // frexp(NaN) has exponent 0
  }
  if (a == 0.0f) s = 1.0f;
  return {s, 1.0f / s};
}

BlockScale torchao_scale(const ScaleConstants& c, float amax) {
  const double wide = static_cast<double>(amax);
  const double a = std::isnan(wide) || wide > c.floor ? wide : c.floor;
  // blockwise_fp8_training divides in Triton; the others are Python's number / tensor, reciprocal times number.
  const double max = static_cast<double>(c.max);
  float s = static_cast<float>(c.is_of_blocks ? max / a : max * (1.0 / a));
  if (c.power_of_two) s = power_of_rounded_log2(s);
  return {s, 1.0f / s};
}

int clamped_up8(float sf) {
  // From the bits alone, as the peer has it: NaN counts as something above infinity.
  return std::clamp(exponent_field_of(sf) + 127 + (has_mantissa(sf) ? 1 : 0), 1, 254);
}

BlockScale deepgemm_scale(const ScaleConstants& c, float amax) {
  float sf = larger(amax, static_cast<float>(c.floor)) / c.max;
  if (c.power_of_two || c.rule == ScaleRule::Rceil) sf = power_of_two(clamped_up8(sf) - 127);
  if (sf == 0.0f) return {};  // amax_floor = 0 and a block of zeros
  return {c.arithmetic == Arithmetic::DeepSeek ? sf : 1.0f / sf, sf};
}

BlockScale ms_amp_block_scale(const ScaleConstants& c, float amax) {
  const float s = ms_amp_scale({.amax = amax, .max_finite = c.max}, c.previous_scale);
  return {s, 1.0f / s};
}

// In arithmetic, for loops over many blocks to vectorise: g++ makes branches of conditions.
std::uint32_t choose(bool condition, std::uint32_t yes, std::uint32_t no) {
  const std::uint32_t mask = -static_cast<std::uint32_t>(condition);
  return (yes & mask) | (no & ~mask);
}

// 2^(127 - code) and 2^(code - 127): both ends of E8M0 are 2^-127, a subnormal number.
BlockScale e8m0_scale(std::uint32_t code) {
  constexpr std::uint32_t kSmallest = 0x400000u;  // 2^-127
  const std::uint32_t down = choose(code < 254, (254 - code) << 23, kSmallest);
  const std::uint32_t up = choose(code > 0, code << 23, kSmallest);
  const std::uint32_t nan = choose(code > 254, 0x7FC00000u, 0);
  return {std::bit_cast<float>(down | nan), std::bit_cast<float>(up | nan)};
}

// The pattern of amax rounded to the element's mantissa bits, half up: bits += half a place, cleared below.
std::uint32_t rounded_to_mantissa(std::uint32_t amax, int mantissa_bits) {
  const std::uint32_t half = 1u << (22 - mantissa_bits);
  return (amax + half) & ~(2 * half - 1);
}

// `end`: end_of_e8m0.
template <ScaleRule kRule>
std::uint32_t mx_code(const ScaleConstants& c, float amax, std::uint32_t end) {
  constexpr std::uint32_t kInfinity = 0x7F800000u;
  auto pattern = std::bit_cast<std::uint32_t>(kRule == ScaleRule::Rceil ? amax * c.reciprocal_max : amax);
  if (kRule == ScaleRule::Even)
    pattern = choose(pattern < kInfinity, rounded_to_mantissa(pattern, c.mantissa_bits), pattern);
  std::uint32_t code;
  if (kRule == ScaleRule::Rceil) {
    // The smallest code c <= 254 with 2^(c - 127) >= v, from v's bits: one more than the exponent field where there is
    // a mantissa. Below the normal numbers 2^-127 is the one power of two.
    code = std::min((pattern + choose(pattern < 0x800000u, 0x3FFFFFu, 0x7FFFFFu)) >> 23, 254u);
  } else {
    const auto k = static_cast<int>((pattern + (kRule == ScaleRule::Ceil ? 0x7FFFFFu : 0)) >> 23) - c.emax;
    code = std::min(static_cast<std::uint32_t>(std::max(k, 0)), end);
  }
  code = choose(pattern >= kInfinity, end, code);
  return choose(pattern > kInfinity, 255, code);
}

// systems-scaling's bump_up_overflow_exponent (arXiv 2506.20752): one more where amax is beyond the end of the
// elements, which is exact, a power of two times max: 1.75 * 2^floor(log2 amax) for E4M3, E5M2 and E3M2.
bool is_beyond(const ScaleConstants& c, float amax, int exponent) {
  return amax > c.max * power_of_two(std::clamp(exponent, -127, 127));
}

// The code of an infinite amax: torchao spoils the block, te saturates at 2^127.
std::uint32_t end_of_e8m0(Arithmetic arithmetic) {
  return arithmetic == Arithmetic::Torchao ? 255 : 254;
}

std::uint32_t bumped_code(const ScaleConstants& c, float amax, std::uint32_t end) {
  const std::uint32_t code = mx_code<ScaleRule::Floor>(c, amax, end);
  return code < end && is_beyond(c, amax, static_cast<int>(code) - 127) ? code + 1 : code;
}

// NVFP4QuantizerRef._quantize_blockwise_reference with pow_2_scales: the rounded logarithm.
BlockScale te_mxfp4_scale(const ScaleConstants& c, float amax) {
  const float v = amax / c.max;
  if (std::isnan(v)) return {kNan, kNan};
  const int k = v == 0.0f ? -127 : std::isinf(v) ? 127 : std::clamp(ceil_of_rounded_log2(v), -127, 127);
  const float d = power_of_two(k);
  return {1.0f / d, d};
}

BlockScale microxcaling_scale(const ScaleConstants& c, float amax) {
  if (!std::isfinite(amax)) return {kNan, kNan};
  int exponent;
  if (c.arithmetic == Arithmetic::MicroxcalingCuda) {
    exponent = exponent_field_of(amax);
  } else {
    const float a = amax == 0.0f ? 0x1p-126f : amax;
    exponent = c.through_bf16 ? floor_of_bf16_log2(a) : floor_of_rounded_log2(a);
  }
  int s = exponent - c.emax;
  if (c.exponent_bump && is_beyond(c, amax, s)) ++s;
  if (s > 127) return {kNan, kNan};
  return {power_of_two(std::min(-s, 127)), power_of_two(std::max(s, -127))};
}

BlockScale shared_exponent_scale(const ScaleConstants& c, float amax) {
  if (!std::isfinite(amax)) return {kNan, kNan};
  if (amax == 0.0f) return {};
  // The limits keep both powers binary32 numbers.
  const int s = std::clamp(binade_of(amax).floor_log2 - c.emax, -127, 127);
  return {power_of_two(-s), power_of_two(s)};
}

float to_e4m3(const ScaleConstants& c, float x) {
  return round_and_check<Rounding::NearestEven, false>(x, c.e4m3, 0, 32).value;
}

BlockScale torchao_nvfp4(const ScaleConstants& c, float amax, const OuterScale& outer) {
  float d = amax / 6.0f;
  if (c.two_level) d = d / outer.encode;
  const float sf = to_e4m3(c, smaller(larger(d, 0x1p-6f), 448.0f));
  if (!c.two_level) return {1.0f / sf, sf};
  return {outer.decode / sf, outer.encode * sf};
}

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

struct Row {
  ScaleRuleInfo info;
  Arithmetics arithmetics;
  void (*fill)(const ScaleConstants&, const Blocks&);
};

using enum Arithmetic;
constexpr Arithmetics kTeAndTorchao = of(Te, TePython, TeUnfused, Torchao);
constexpr bool kE8m0 = true;

// A rule is an enumerator and a row here: its word, what it does in a few words, which arithmetics have it, its formula.
constexpr Row kRows[] = {
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

constexpr auto kWords = [] {
  Spellings<ScaleRule, std::size(kRows)> words{};
  for (std::size_t i = 0; i < std::size(kRows); ++i) words[i] = {kRows[i].info.name, kRows[i].info.rule};
  return words;
}();

const Row& row_of(ScaleRule rule) {
  for (const Row& row : kRows)
    if (row.info.rule == rule) return row;
  PRECIPICE_CHECK(false, "no rule of number ", static_cast<int>(rule));
}

}  // namespace

std::vector<ScaleRuleInfo> scale_rules() {
  std::vector<ScaleRuleInfo> rules;
  for (const Row& row : kRows) rules.push_back(row.info);
  return rules;
}

bool has_rule(Arithmetic arithmetic, ScaleRule rule) {
  return (row_of(rule).arithmetics & of(arithmetic)) != 0;
}

bool is_e8m0(ScaleRule rule) {
  return row_of(rule).info.is_e8m0;
}

ScaleRule parse_scale_rule(std::string_view text) {
  return parse_spelling("rule", text, kWords);
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
  if (c.arithmetic == Arithmetic::Torchao) {
    const float p = nvfp4_outer_scale(amax, c.block_scale_max);
    return {amax, p, 1.0f / p};
  }
  float encode = smaller(nvfp4_range(c.block_scale_max) / amax, kFltMax);
  if (encode == 0.0f) encode = 1.0f;
  return {amax, encode, 1.0f / encode};
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
