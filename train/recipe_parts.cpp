// SPDX-License-Identifier: Apache-2.0
#include "train/recipe_parts.h"

#include <fmt/format.h>

#include <charconv>
#include <map>

#include "precision/check.h"

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
  if (value != "true" && value != "false") throw ConfigError(fmt::format("{} must be true or false", name));
  return value == "true";
}

std::int64_t parse_whole(const std::string& name, const std::string& value, std::int64_t lowest, std::int64_t highest) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc{} || end != value.data() + value.size() || number < lowest || number > highest)
    throw ConfigError(fmt::format("{} must be a whole number from {} to {}", name, lowest, highest));
  return number;
}

namespace {

double parse_number(const std::string& name, const std::string& value) {
  double number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc{} || end != value.data() + value.size() || !(number >= 0 && number < 1e30))
    throw ConfigError(fmt::format("{} must be a number from 0", name));
  return number;
}

using Change = std::function<void(MatrixQuantizer&)>;

// What an option does to one quantizer.
Change change_of(const std::string& name, const std::string& value) {
  if (name == "arithmetic") return [a = parse_arithmetic(value)](MatrixQuantizer& q) { q.arithmetic = a; };
  if (name == "rule") return [r = parse_scale_rule(value)](MatrixQuantizer& q) { q.rule = r; };
  if (name == "element") return [f = parse_float_format(value)](MatrixQuantizer& q) { q.element = f; };
  if (name == "rounding" || name == "dy_rounding")
    return [r = parse_rounding(value)](MatrixQuantizer& q) { q.rounding = r; };
  if (name == "random_bits")
    return [n = static_cast<int>(parse_whole(name, value, 1, 32))](MatrixQuantizer& q) { q.random_bits = n; };
  if (name == "pow2") return [on = parse_flag(name, value)](MatrixQuantizer& q) { q.power_of_two = on; };
  if (name == "amax_floor") return [floor = parse_number(name, value)](MatrixQuantizer& q) { q.amax_floor = floor; };
  if (name == "row_scaled") return [on = parse_flag(name, value)](MatrixQuantizer& q) { q.row_scaled = on; };
  if (name == "two_level") return [on = parse_flag(name, value)](MatrixQuantizer& q) { q.two_level = on; };
  if (name == "four_over_six") return [c = parse_four_over_six(value)](MatrixQuantizer& q) { q.four_over_six = c; };
  if (name == "flush_subnormal_blocks")
    return [on = parse_flag(name, value)](MatrixQuantizer& q) { q.flush_subnormal_blocks = on; };
  if (name == "block")
    return [k = parse_whole(name, value, 1, 1 << 20)](MatrixQuantizer& q) {
      if (q.kind != ScaleKind::Block) return;
      q.block_across = q.block_across > 1 ? k : 1;
      q.block_along = k;
    };
  const auto delayed = [](auto set) {
    return [set](MatrixQuantizer& q) {
      if (q.delayed) set(*q.delayed);
    };
  };
  if (name == "history")
    return delayed([n = static_cast<int>(parse_whole(name, value, 1, 1 << 16))](DelayedRule& r) { r.history = n; });
  if (name == "margin")
    return delayed([n = static_cast<int>(parse_whole(name, value, 0, 100))](DelayedRule& r) { r.margin = n; });
  if (name == "algo") return delayed([a = parse_amax_algorithm(value)](DelayedRule& r) { r.algorithm = a; });
  PRECIPICE_CHECK(false, "option ", name);
}

}  // namespace

void apply_options(SitePrecision& site, const Values& values) {
  for (const auto& [name, value] : values) {
    if (name == "scales" || name == "rht" || name == "mantissa") continue;
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
      {"two_level", "a tensor scale above the block scales: true false"},
      {"block", "elements that share a scale along the contraction (and across, for square blocks)"},
      {"history", "steps that amax is remembered"},
      {"algo", "max most-recent"},
      {"margin", "the scale is divided by 2^margin"},
      {"flush_subnormal_blocks", "true false"},
      {"scales", "act on sums | operand (dequantized first)"},
      {"mantissa", "mantissa bits, 1 to 23"},
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
            apply_options(choice.linear, values);
            return choice;
          }};
}

}  // namespace precipice::recipe_parts
