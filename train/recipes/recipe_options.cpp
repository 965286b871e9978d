// SPDX-License-Identifier: Apache-2.0
// The options of recipes: one row each, with its help and what its value does to a quantizer.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "precision/base/check.h"
#include "precision/base/parse_number.h"
#include "precision/scaling/scale_rule_table.h"
#include "train/recipes/recipe_parts.h"

namespace precipice::recipe_parts {

bool parse_flag(const std::string& name, const std::string& value) {
  if (value != "true" && value != "false") throw ConfigError({"", 0, name, value}, "must be true or false");
  return value == "true";
}

std::int64_t parse_whole(const std::string& name, const std::string& value, std::int64_t lowest, std::int64_t highest) {
  const auto number = parse_number<std::int64_t>(value);
  if (!number || *number < lowest || *number > highest)
    throw ConfigError({"", 0, name, value}, fmt::format("must be a whole number from {} to {}", lowest, highest));
  return *number;
}

namespace {

double parse_real(const std::string& name, const std::string& value) {
  const auto number = parse_number<double>(value);
  if (!number || !(*number >= 0 && *number < 1e30))
    throw ConfigError({"", 0, name, value}, "must be a number from 0 to 1e30");
  return *number;
}

using Change = std::function<bool(QuantizerSettings&)>;

// Changes one member of a quantizer that has it.
template <class Owner, class Value>
requires std::is_base_of_v<Owner, QuantizerSettings> Change setting(Value Owner::*member, Value value,
                                                                    bool (*has)(const QuantizerSettings&) = nullptr) {
  return [=](QuantizerSettings& q) {
    if (has != nullptr && !has(q)) return false;
    q.*member = value;
    return true;
  };
}
template <class Value>
Change setting(Value DelayedRule::*member, Value value) {
  return [=](QuantizerSettings& q) {
    if (!q.delayed) return false;
    *q.delayed.*member = value;
    return true;
  };
}
bool is_scaled(const QuantizerSettings& q) {
  return q.kind != ScaleKind::None;
}
bool is_block(const QuantizerSettings& q) {
  return q.kind == ScaleKind::Block;
}

// What an option is: its help, and what its value does to a quantizer, or null where the recipe itself looks at it.
struct OptionRow {
  const char* name;
  std::string help;
  Change (*change)(const std::string& name, const std::string& value) = nullptr;
  const char* tensor = "";  // whose quantizers it changes; "": all
};

using Q = QuantizerSettings;
using Text = const std::string&;

template <auto kMember, auto kHas = nullptr>
Change set_flag(Text name, Text value) {
  return setting(kMember, parse_flag(name, value), kHas);
}
template <auto kMember, std::int64_t kLowest, std::int64_t kHighest>
Change set_whole(Text name, Text value) {
  return setting(kMember, static_cast<int>(parse_whole(name, value, kLowest, kHighest)));
}

Change set_rounding(Text, Text value) {
  return setting(&Q::rounding, parse_rounding(value));
}
Change set_block(Text name, Text value) {
  return [k = parse_whole(name, value, 1, 1 << 20)](Q& q) {
    if (!is_block(q)) return false;
    q.block_across = q.block_across > 1 ? k : 1;
    q.block_along = k;
    return true;
  };
}

// The rules of E8M0 scales and what each does.
std::string rules_in_words() {
  std::string text;
  for (const ScaleRuleInfo& rule : scale_rules())
    if (rule.is_e8m0) text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", rule.name, rule.help);
  return text;
}

const std::vector<OptionRow>& option_rows() {
  static const std::vector<OptionRow> rows = {
      {"arithmetic",
       "whose order of operations and edge cases: te te-python te-unfused torchao microxcaling "
       "microxcaling-cuda deepgemm deepseek ms-amp, where that peer has the rule",
       [](Text, Text value) { return setting(&Q::arithmetic, parse_arithmetic(value), is_scaled); }},
      {"rule", "scale from amax: " + rules_in_words(),
       [](Text, Text value) { return setting(&Q::rule, parse_scale_rule(value), is_block); }},
      {"element", "format of all elements",
       [](Text, Text value) { return setting(&Q::format, parse_float_format(value)); }},
      {"rounding", "of all elements: " + rounding_words(), set_rounding},
      {"dy_rounding", "of gradients", set_rounding, "dy"},
      {"random_bits", "of stochastic rounding, 1 to 32", set_whole<&Q::random_bits, 1, 32>},
      {"pow2", "scales are powers of two: true false", set_flag<&Q::power_of_two, is_scaled>},
      {"amax_floor", "amax below this counts as this",
       [](Text name, Text value) {
         return setting(&Q::amax_floor, std::optional(parse_real(name, value)), is_scaled);
       }},
      {"rht", "random Hadamard transform of the wgrad operands: true false"},
      {"row_scaled", "the outer scale is per row: true false", set_flag<&Q::row_scaled, is_block>},
      {"four_over_six", "off mae mse",
       [](Text, Text value) { return setting(&Q::four_over_six, parse_four_over_six(value), is_block); }},
      {"four_over_six_max", "largest block scale under four_over_six: 448 256",
       [](Text name, Text value) {
         return setting(&Q::four_over_six_max, static_cast<int>(parse_whole(name, value, 256, 448)), is_block);
       }},
      {"two_level", "a tensor scale above the block scales: true false", set_flag<&Q::two_level, is_block>},
      {"block", "elements that share a scale along the contraction (and across, for square blocks)", set_block},
      {"history", "steps that amax is remembered", set_whole<&DelayedRule::history, 1, 1 << 16>},
      {"algo", "max most-recent",
       [](Text, Text value) { return setting(&DelayedRule::algorithm, parse_amax_algorithm(value)); }},
      {"margin", "the scale is divided by 2^margin", set_whole<&DelayedRule::margin, 0, 100>},
      {"flush_subnormal_blocks", "true false", set_flag<&Q::flush_subnormal_blocks, is_block>},
      {"scales", "act on sums | operand (dequantized first)"},
      {"mantissa", "mantissa bits, 1 to 23"},
      {"exponent_bump", "scales of rule floor are doubled where amax would saturate: true false",
       set_flag<&Q::exponent_bump, is_block>},
      {"clamp",
       "which ends of the exponents hold: both, inner (small values), outer (large values); of mask also wrap: the "
       "highest bits of bf16's exponent are dropped, so that large values become small ones"},
      {"format", "eXmY, whose exponents and mantissa bits are kept"},
      {"bias", "of the exponents, 2^(X-1)-1 unless given; with wrap bf16's, 127"},
      {"smooth_swiglu",
       "Smooth-SwiGLU in mlp.down of a Llama: true (the paper's, per channel; the default) token (its code) false"},
      {"everywhere", "attention products and LM head like the linears: true false"},
  };
  return rows;
}

const OptionRow& row_of(const std::string& name) {
  const auto& rows = option_rows();
  const auto row = std::find_if(rows.begin(), rows.end(), [&](const OptionRow& r) { return name == r.name; });
  PRECIPICE_CHECK(row != rows.end(), "option ", name);
  return *row;
}

// Whether it changes all quantizers that it is applied to, as rules do by its name.
bool is_of_quantizers(const std::string& name) {
  const auto& names = quantizer_options();
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Gains are rounded where there are no random words, so that stochastic rounding does not reach them.
void apply_to_gains(QuantizerSettings& gains, const Values& values) {
  for (const auto& [name, value] : values) {
    if (!is_of_quantizers(name) || (name == "rounding" && is_stochastic(parse_rounding(value)))) continue;
    apply_option(gains, name, value);
  }
}

}  // namespace

const std::vector<std::string>& quantizer_options() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> list;
    for (const OptionRow& row : option_rows())
      if (row.change != nullptr && *row.tensor == '\0') list.emplace_back(row.name);
    return list;
  }();
  return names;
}

bool apply_option(QuantizerSettings& quantizer, const std::string& name, const std::string& value) {
  return row_of(name).change(name, value)(quantizer);
}

void apply_options(SiteSettings& site, const Values& values) {
  for (const auto& [name, value] : values) {
    const OptionRow& row = row_of(name);
    if (row.change != nullptr) for_operands(site, row.change(name, value), row.tensor);
  }
  if (const auto scales = values.find("scales"); scales != values.end()) {
    if (scales->second != "sums" && scales->second != "operand") throw ConfigError("scales must be sums or operand");
    const ScalesAct act = scales->second == "sums" ? ScalesAct::Sums : ScalesAct::Operands;
    for (GemmSettings* gemm : {&site.fprop, &site.dgrad, &site.wgrad}) gemm->arithmetic.scales = act;
  }
}

std::vector<RecipeOption> options(std::initializer_list<const char*> names) {
  std::vector<RecipeOption> list;
  for (const char* name : names) list.push_back({name, row_of(name).help});
  return list;
}

Recipe with_options(std::string name, std::string citation, std::string summary, std::vector<RecipeOption> names,
                    std::function<RecipeSettings()> make, OptionSteps steps) {
  return {std::move(name), std::move(citation), std::move(summary), std::move(names),
          [make = std::move(make), steps = std::move(steps)](Values values) {
            if (steps.prepare) steps.prepare(values);
            RecipeSettings choice = make();
            const bool attention = choice.attention == choice.linear, lm_head = choice.lm_head == choice.linear;
            apply_options(choice.linear, values);
            if (steps.finish) steps.finish(choice, values);
            if (attention) choice.attention = choice.linear;
            if (lm_head) choice.lm_head = choice.linear;
            if (is_scaled(choice.elements.norm_weights)) apply_to_gains(choice.elements.norm_weights, values);
            return choice;
          }};
}

}  // namespace precipice::recipe_parts
