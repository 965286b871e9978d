// SPDX-License-Identifier: Apache-2.0
#include "train/recipes/rule_application.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "precision/base/check.h"
#include "train/recipes/recipe_parts.h"

namespace precipice {
namespace {

template <class Change>
auto in_rule(const PrecisionRule& rule, const Change& change) {
  try {
    return change();
  } catch (const ConfigError& error) {
    throw ConfigError(fmt::format("{}: {}", rule.name(), error.what()));
  }
}

// A format set by hand; "high" also takes the scaling and the detour through bf16 away.
void set_format(QuantizerSettings& q, const std::string& text) {
  if (text == "high") {
    q = QuantizerSettings{};
    return;
  }
  q.format = parse_float_format(text);
  q.range.reset();
}

// Fields of a GEMM and not of its operands.
bool set_gemm_field(GemmArithmetic& arithmetic, const RuleField& field) {
  if (field.name == "accumulator") {
    arithmetic.accumulator = parse_accumulator(field.value);
    return true;
  }
  if (field.name != "scales") return false;
  if (field.value != "sums" && field.value != "operand") throw ConfigError("scales must be sums or operand");
  arithmetic.scales = field.value == "sums" ? ScalesAct::Sums : ScalesAct::Operands;
  return true;
}

const SiteSettings& choice_at(const RecipeSettings& choice, SiteKind kind) {
  if (kind == SiteKind::LmHead) return choice.lm_head;
  return kind == SiteKind::AttnQk || kind == SiteKind::AttnPv ? choice.attention : choice.linear;
}

// One rule at work. Fields that no selected quantizer has are found at the end.
class RuleApplication {
 public:
  RuleApplication(const ParsedRule& parsed, const PrecisionPolicy& policy)
      : rule_(parsed.rule), recipe_(parsed.recipe), policy_(policy), used_(rule_.fields.size(), false) {}

  // Which of a site's GEMMs and operands the rule selects, and what it does there.
  void at(SiteKind kind, SiteSettings& site) {
    const SiteSettings replacement = recipe_ ? site_of(*recipe_, kind, policy_) : SiteSettings{};
    struct Gemm {
      RulePass pass;
      GemmSettings SiteSettings::*member;
      RuleOperand first, second;
    };
    static constexpr Gemm kGemms[] = {{RulePass::Fprop, &SiteSettings::fprop, RuleOperand::X, RuleOperand::W},
                                      {RulePass::Dgrad, &SiteSettings::dgrad, RuleOperand::Dy, RuleOperand::W},
                                      {RulePass::Wgrad, &SiteSettings::wgrad, RuleOperand::Dy, RuleOperand::X}};
    for (const Gemm& gemm : kGemms) {
      if (rule_.pass != RulePass::Any && rule_.pass != gemm.pass) continue;
      GemmSettings& target = site.*gemm.member;
      const GemmSettings& from = replacement.*gemm.member;
      change(gemm.first, target.first, from.first);
      change(gemm.second, target.second, from.second);
      if (rule_.operand == RuleOperand::Any) change_gemm(target.arithmetic, from.arithmetic);
      if (rule_.operand == RuleOperand::Output) change_output(target.arithmetic.output, from.arithmetic.output);
    }
    if (recipe_ && rule_.pass == RulePass::Any && rule_.operand == RuleOperand::Any)
      site.smooth_swiglu = replacement.smooth_swiglu, site.flash = replacement.flash;
    if (kind == SiteKind::AttnPv && rule_.pass == RulePass::Any && rule_.operand == RuleOperand::Any)
      change_flash(site.flash);
  }

  void check_used() const {
    for (std::size_t i = 0; i < used_.size(); ++i)
      if (!used_[i])
        throw ConfigError(fmt::format("{} = {}: nothing that the rule selects has this field", rule_.fields[i].name,
                                      rule_.fields[i].value));
  }

 private:
  void change(RuleOperand operand, QuantizerSettings& q, const QuantizerSettings& other) {
    if (rule_.operand != RuleOperand::Any && rule_.operand != operand) return;
    if (recipe_) q = other;
    for (std::size_t i = 0; i < used_.size(); ++i)
      if (is_of_operands(i) && set_field(q, rule_.fields[i].name, rule_.fields[i].value)) used_[i] = true;
  }

  // An output has no scale, and so no field of one.
  void change_output(ElementQuantizer& output, const ElementQuantizer& other) {
    if (recipe_) output = other;
    for (std::size_t i = 0; i < used_.size(); ++i) {
      if (!is_of_operands(i)) continue;
      QuantizerSettings changed = output;
      const bool has_field = set_field(changed, rule_.fields[i].name, rule_.fields[i].value);
      const ElementQuantizer& element = changed;
      if (!has_field || !(changed == QuantizerSettings(element))) continue;
      output = element;
      used_[i] = true;
    }
  }

  void change_gemm(GemmArithmetic& arithmetic, const GemmArithmetic& other) {
    if (recipe_) arithmetic = other;
    for (std::size_t i = 0; i < used_.size(); ++i)
      if (set_gemm_field(arithmetic, rule_.fields[i])) used_[i] = true;
  }

  void change_flash(FlashAttention& flash) {
    for (std::size_t i = 0; i < used_.size(); ++i)
      if (is_of_flash(i)) set_flash_field(flash, rule_.fields[i].name, rule_.fields[i].value), used_[i] = true;
  }

  bool is_of_flash(std::size_t i) const {
    const std::vector<std::string>& names = flash_fields();
    return std::find(names.begin(), names.end(), rule_.fields[i].name) != names.end();
  }
  bool is_of_operands(std::size_t i) const {
    return rule_.fields[i].name != "accumulator" && rule_.fields[i].name != "scales" && !is_of_flash(i);
  }

  const PrecisionRule& rule_;
  const std::optional<RecipeSettings>& recipe_;
  const PrecisionPolicy& policy_;
  std::vector<bool> used_;
};

}  // namespace

void set_scaling(QuantizerSettings& q, ScaleKind kind, double fixed_scale) {
  q.delayed.reset();
  q.rule = ScaleRule::Amax;
  q.kind = kind;
  if (kind == ScaleKind::Fixed) q.fixed = static_cast<float>(fixed_scale);
}

bool set_field(QuantizerSettings& q, const std::string& name, const std::string& value) {
  const std::vector<std::string>& of_recipes = recipe_parts::quantizer_options();
  if (name == "format") {
    set_format(q, value);
  } else if (name == "overflow") {
    q.overflow = parse_overflow(value);
  } else if (name == "scaling") {
    set_scaling(q, parse_spelling("scaling", value, kScalings), q.fixed);
  } else if (name == "power_of_two") {
    q.power_of_two = recipe_parts::parse_flag(name, value);
  } else if (std::find(of_recipes.begin(), of_recipes.end(), name) != of_recipes.end()) {
    return recipe_parts::apply_option(q, name, value);
  } else {
    std::vector<std::string> names = {"format", "overflow", "scaling", "power_of_two", "accumulator", "scales"};
    names.insert(names.end(), of_recipes.begin(), of_recipes.end());
    names.insert(names.end(), flash_fields().begin(), flash_fields().end());
    const std::string near = nearest_word(name, names);
    throw ConfigError(fmt::format("\"{}\" is not a field; fields are {}{}", name.substr(0, 40), fmt::join(names, ", "),
                                  near.empty() ? "" : fmt::format(" (did you mean {}?)", near)));
  }
  return true;
}

SiteSettings site_of(const RecipeSettings& choice, SiteKind kind, const PrecisionPolicy& policy) {
  SiteSettings site = choice_at(choice, kind);
  const std::vector<SiteKind>& sites = policy.block_sites();
  const bool is_gated = std::find(sites.begin(), sites.end(), SiteKind::MlpGate) != sites.end();
  const bool is_named = site.smooth_swiglu == SmoothSwiglu::Channel || site.smooth_swiglu == SmoothSwiglu::Token;
  if (is_named && !is_gated)
    throw ConfigError({"", 0, "smooth_swiglu", to_string(site.smooth_swiglu)},
                      fmt::format("needs a model with SwiGLU, model.kind = \"{}\"",
                                  fmt::join(names_of_architectures(std::mem_fn(&Architecture::is_gated)), "\" or \"")));
  if (site.smooth_swiglu == SmoothSwiglu::IfGated) site.smooth_swiglu = SmoothSwiglu::Channel;
  if (kind != SiteKind::MlpDown || !is_gated) site.smooth_swiglu = SmoothSwiglu::Off;
  return site;
}

std::vector<ParsedRule> read_rules(const std::string& text) {
  std::vector<ParsedRule> rules;
  for (PrecisionRule& rule : parse_rules(text)) {
    ParsedRule parsed;
    if (rule.recipe == "high") parsed.recipe = RecipeSettings{};
    if (!rule.recipe.empty() && !parsed.recipe)
      parsed.recipe = in_rule(rule, [&] { return make_recipe_settings(rule.recipe); });
    parsed.rule = std::move(rule);
    rules.push_back(std::move(parsed));
  }
  return rules;
}

bool apply_rule(const ParsedRule& parsed, PolicySettings& settings) {
  const PrecisionPolicy& policy = settings.policy;
  const PrecisionRule& rule = parsed.rule;
  return in_rule(rule, [&] {
    const auto [first_layer, last_layer] = rule.layers.resolve(policy.layers());
    RuleApplication application(parsed, policy);
    bool matched = false;
    // The LM head is in no layer.
    if (policy.has_head() && rule.selects_site(to_string(SiteKind::LmHead)) && rule.layers.is_everything()) {
      application.at(SiteKind::LmHead, settings.sites[policy.site_index(SiteKind::LmHead, 0)]);
      matched = true;
    }
    for (const SiteKind kind : policy.block_sites()) {
      if (!rule.selects_site(to_string(kind))) continue;
      for (std::int64_t layer = first_layer; layer < last_layer; ++layer, matched = true)
        application.at(kind, settings.sites[policy.site_index(kind, layer)]);
    }
    if (matched) application.check_used();
    return matched;
  });
}

}  // namespace precipice
