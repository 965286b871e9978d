// SPDX-License-Identifier: Apache-2.0
#include "train/recipes/recipe_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "precision/base/check.h"
#include "precision/policy/element_precision.h"

namespace precipice::recipe_parts {

// ---- operands ---------------------------------------------------------------------------------------------------

MatrixQuantizer bf16() {
  MatrixQuantizer q;
  q.element = FloatFormat{8, 7, 127, Specials::Ieee};
  q.overflow = Overflow::Native;
  return q;
}

MatrixQuantizer unscaled(const char* format) {
  MatrixQuantizer q;
  q.element = parse_float_format(format);
  q.overflow = Overflow::Native;
  return q;
}

MatrixQuantizer scaled(const char* format, ScaleKind kind, Arithmetic arithmetic) {
  MatrixQuantizer q;
  q.element = parse_float_format(format);
  q.kind = kind;
  q.arithmetic = arithmetic;
  return q;
}

MatrixQuantizer blocks(const char* format, std::int64_t across, std::int64_t along, Arithmetic arithmetic) {
  MatrixQuantizer q = scaled(format, ScaleKind::Block, arithmetic);
  q.block_across = across;
  q.block_along = along;
  return q;
}

MatrixQuantizer e8m0_blocks(const char* format, ScaleRule rule, Arithmetic arithmetic) {
  MatrixQuantizer q = blocks(format, 1, 32, arithmetic);
  q.rule = rule;
  return q;
}

GemmArithmetic to_bf16() {
  GemmArithmetic arithmetic;
  arithmetic.output = bf16();
  return arithmetic;
}

SitePrecision same(const MatrixQuantizer& operand, const GemmArithmetic& arithmetic) {
  return SitePrecision::of_tensors(operand, operand, operand, arithmetic);
}

SitePrecision bf16_site() {
  return same(bf16(), to_bf16());
}

// Attention products and LM head in bf16, as every FP8 recipe of a published system leaves them.
RecipeChoice beside_bf16(const SitePrecision& linear) {
  return {linear, bf16_site(), bf16_site()};
}

RecipeChoice everywhere(const SitePrecision& site) {
  return {site, site, site};
}

// Results of all operations between matmuls in bf16.
ElementPrecision in_bf16() {
  ElementPrecision elements;
  elements.vector = elements.residual = elements.softmax = elements.norm = bf16();
  return elements;
}

MatrixQuantizer delayed(const char* format, DelayedUpdate update, int history, Arithmetic arithmetic) {
  MatrixQuantizer q = scaled(format, ScaleKind::Tensor, arithmetic);
  DelayedRule rule;
  rule.update = update;
  rule.history = history;
  q.delayed = rule;
  return q;
}

// ---- options ----------------------------------------------------------------------------------------------------

bool parse_flag(const std::string& name, const std::string& value) {
  if (value != "true" && value != "false") throw ConfigError({"", 0, name, value}, "must be true or false");
  return value == "true";
}

std::int64_t parse_whole(const std::string& name, const std::string& value, std::int64_t lowest, std::int64_t highest) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc{} || end != value.data() + value.size() || number < lowest || number > highest)
    throw ConfigError({"", 0, name, value}, fmt::format("must be a whole number from {} to {}", lowest, highest));
  return number;
}

namespace {

double parse_number(const std::string& name, const std::string& value) {
  double number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc{} || end != value.data() + value.size() || !(number >= 0 && number < 1e30))
    throw ConfigError({"", 0, name, value}, "must be a number from 0 to 1e30");
  return number;
}

using Change = std::function<bool(MatrixQuantizer&)>;

// Changes one member of a quantizer that has it.
template <class Value>
Change setting(Value MatrixQuantizer::*member, Value value, bool (*has)(const MatrixQuantizer&) = nullptr) {
  return [=](MatrixQuantizer& q) {
    if (has != nullptr && !has(q)) return false;
    q.*member = value;
    return true;
  };
}
template <class Value>
Change setting(Value DelayedRule::*member, Value value) {
  return [=](MatrixQuantizer& q) {
    if (!q.delayed) return false;
    *q.delayed.*member = value;
    return true;
  };
}
bool is_scaled(const MatrixQuantizer& q) {
  return q.kind != ScaleKind::None;
}
bool is_block(const MatrixQuantizer& q) {
  return q.kind == ScaleKind::Block;
}

// What an option does to one quantizer.
Change change_of(const std::string& name, const std::string& value) {
  using Q = MatrixQuantizer;
  const auto whole = [&](std::int64_t lowest, std::int64_t highest) {
    return static_cast<int>(parse_whole(name, value, lowest, highest));
  };
  if (name == "arithmetic") return setting(&Q::arithmetic, parse_arithmetic(value), is_scaled);
  if (name == "rule") return setting(&Q::rule, parse_scale_rule(value), is_block);
  if (name == "element") return setting(&Q::element, parse_float_format(value));
  if (name == "rounding" || name == "dy_rounding") return setting(&Q::rounding, parse_rounding(value));
  if (name == "random_bits") return setting(&Q::random_bits, whole(1, 32));
  if (name == "pow2") return setting(&Q::power_of_two, parse_flag(name, value), is_scaled);
  if (name == "amax_floor") return setting(&Q::amax_floor, std::optional(parse_number(name, value)), is_scaled);
  if (name == "row_scaled") return setting(&Q::row_scaled, parse_flag(name, value), is_block);
  if (name == "two_level") return setting(&Q::two_level, parse_flag(name, value), is_block);
  if (name == "four_over_six") return setting(&Q::four_over_six, parse_four_over_six(value), is_block);
  if (name == "four_over_six_max") return setting(&Q::four_over_six_max, whole(256, 448), is_block);
  if (name == "flush_subnormal_blocks") return setting(&Q::flush_subnormal_blocks, parse_flag(name, value), is_block);
  if (name == "exponent_bump") return setting(&Q::exponent_bump, parse_flag(name, value), is_block);
  if (name == "block")
    return [k = parse_whole(name, value, 1, 1 << 20)](MatrixQuantizer& q) {
      if (!is_block(q)) return false;
      q.block_across = q.block_across > 1 ? k : 1;
      q.block_along = k;
      return true;
    };
  if (name == "history") return setting(&DelayedRule::history, whole(1, 1 << 16));
  if (name == "margin") return setting(&DelayedRule::margin, whole(0, 100));
  if (name == "algo") return setting(&DelayedRule::algorithm, parse_amax_algorithm(value));
  PRECIPICE_CHECK(false, "option ", name);
}

bool is_of_quantizers(const std::string& name) {
  const std::vector<std::string>& names = quantizer_options();
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Gains are rounded where there are no random words, so that stochastic rounding does not reach them.
void apply_to_gains(MatrixQuantizer& gains, const Values& values) {
  for (const auto& [name, value] : values) {
    if (!is_of_quantizers(name) || (name == "rounding" && is_stochastic(parse_rounding(value)))) continue;
    apply_option(gains, name, value);
  }
}

}  // namespace

const std::vector<std::string>& quantizer_options() {
  static const std::vector<std::string> names = {"arithmetic",
                                                 "rule",
                                                 "element",
                                                 "rounding",
                                                 "random_bits",
                                                 "pow2",
                                                 "amax_floor",
                                                 "row_scaled",
                                                 "two_level",
                                                 "block",
                                                 "four_over_six",
                                                 "four_over_six_max",
                                                 "flush_subnormal_blocks",
                                                 "exponent_bump",
                                                 "history",
                                                 "margin",
                                                 "algo"};
  return names;
}

bool apply_option(MatrixQuantizer& quantizer, const std::string& name, const std::string& value) {
  return change_of(name, value)(quantizer);
}

void apply_options(SitePrecision& site, const Values& values) {
  for (const auto& [name, value] : values) {
    if (name == "dy_rounding" || is_of_quantizers(name))
      for_operands(site, change_of(name, value), name == "dy_rounding" ? "dy" : "");
  }
  if (const auto scales = values.find("scales"); scales != values.end()) {
    if (scales->second != "sums" && scales->second != "operand") throw ConfigError("scales must be sums or operand");
    const ScalesAct act = scales->second == "sums" ? ScalesAct::Sums : ScalesAct::Operands;
    for (GemmPrecision* gemm : {&site.fprop, &site.dgrad, &site.wgrad}) gemm->arithmetic.scales = act;
  }
}

// Options by name, with what they may be.
std::vector<RecipeOption> options(std::initializer_list<const char*> names) {
  static const std::map<std::string, std::string> kHelp = {
      {"arithmetic",
       "whose order of operations and edge cases: te te-python te-unfused torchao microxcaling "
       "microxcaling-cuda deepgemm deepseek ms-amp, where that peer has the rule"},
      {"rule", "scale from amax: floor ceil rceil even"},
      {"element", "format of all elements"},
      {"rounding", "of all elements: rne rna rtz rup rdn rto sr sr-b sr-c"},
      {"dy_rounding", "of gradients"},
      {"random_bits", "of stochastic rounding, 1 to 32"},
      {"pow2", "scales are powers of two: true false"},
      {"amax_floor", "amax below this counts as this"},
      {"rht", "random Hadamard transform of the wgrad operands: true false"},
      {"row_scaled", "the outer scale is per row: true false"},
      {"four_over_six", "off mae mse"},
      {"four_over_six_max", "largest block scale under four_over_six: 448 256"},
      {"two_level", "a tensor scale above the block scales: true false"},
      {"block", "elements that share a scale along the contraction (and across, for square blocks)"},
      {"history", "steps that amax is remembered"},
      {"algo", "max most-recent"},
      {"margin", "the scale is divided by 2^margin"},
      {"flush_subnormal_blocks", "true false"},
      {"scales", "act on sums | operand (dequantized first)"},
      {"mantissa", "mantissa bits, 1 to 23"},
      {"exponent_bump", "scales of rule floor are doubled where amax would saturate: true false"},
      {"clamp", "which ends of 7 exponent bits hold: both, inner (small values), outer (large values)"},
      {"smooth_swiglu",
       "Smooth-SwiGLU in mlp.down of a Llama: true (the paper's, per channel; the default) token (its code) false"},
      {"everywhere", "attention products and LM head like the linears: true false"},
  };
  std::vector<RecipeOption> list;
  for (const char* name : names) list.push_back({name, kHelp.at(name)});
  return list;
}

// A recipe whose options change its linears' quantizers.
Recipe with_options(std::string name, std::string citation, std::string summary, std::vector<RecipeOption> names,
                    std::function<RecipeChoice()> make) {
  return {std::move(name), std::move(citation), std::move(summary), std::move(names), [make](const Values& values) {
            RecipeChoice choice = make();
            // Where the recipe does the same at attention products and LM head, so do its options.
            const bool attention = choice.attention == choice.linear, lm_head = choice.lm_head == choice.linear;
            apply_options(choice.linear, values);
            if (attention) choice.attention = choice.linear;
            if (lm_head) choice.lm_head = choice.linear;
            if (is_scaled(choice.elements.norm_weights)) apply_to_gains(choice.elements.norm_weights, values);
            return choice;
          }};
}

}  // namespace precipice::recipe_parts
