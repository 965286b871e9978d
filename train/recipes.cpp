// SPDX-License-Identifier: Apache-2.0
// From text to quantizers: a recipe with its options, the hand-set keys over it, and the rules over both.
#include "train/recipes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "precision/check.h"
#include "precision/precision_rules.h"

namespace precipice {
namespace {

// Runs `change` and names the key in whatever it refuses.
template <class Change>
auto with_key(const std::string& key, const std::string& value, const Change& change) {
  try {
    return change();
  } catch (const ConfigError& error) {
    // What is refused may be a part of the value: then its own key and value are told too.
    const bool is_part = !error.where().key.empty() && error.where().value != value;
    throw ConfigError({"", 0, key, value}, is_part ? error.what() : error.problem());
  }
}

// The same for what a rule does.
template <class Change>
auto in_rule(const PrecisionRule& rule, const Change& change) {
  try {
    return change();
  } catch (const ConfigError& error) {
    throw ConfigError(fmt::format("{}: {}", rule.name(), error.what()));
  }
}

template <class F>
void for_quantizers(SitePrecision& site, const F& f) {
  for (GemmPrecision* gemm : {&site.fprop, &site.dgrad, &site.wgrad}) f(gemm->first), f(gemm->second);
}

RecipeOptionValues parse_options(const Recipe& recipe, std::string_view text) {
  RecipeOptionValues values;
  std::vector<std::string> names;
  for (const RecipeOption& option : recipe.options) names.push_back(option.name);
  // A comma begins the next option where one of the recipe's names follows: formats have commas and options of their
  // own.
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t equals = text.find('=', begin);
    const std::string name(text.substr(begin, equals == std::string_view::npos ? equals : equals - begin));
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      const std::string near = nearest_word(name, names);
      throw ConfigError(fmt::format("recipe {} has no option \"{}\"{}; it has {}", recipe.name, name.substr(0, 40),
                                    near.empty() ? "" : fmt::format(" (did you mean {}?)", near),
                                    names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "))));
    }
    if (equals == std::string_view::npos)
      throw ConfigError(fmt::format("option {} of recipe {} needs a value", name, recipe.name));
    std::size_t end = text.find(',', equals);
    while (name == "element" && end != std::string_view::npos) {
      const std::string_view rest = text.substr(end + 1);
      if (std::find(names.begin(), names.end(), rest.substr(0, rest.find('='))) != names.end()) break;
      end = text.find(',', end + 1);
    }
    const std::size_t length = end == std::string_view::npos ? end : end - equals - 1;
    if (!values.emplace(name, std::string(text.substr(equals + 1, length))).second)
      throw ConfigError(fmt::format("option {} of recipe {} is given twice", name, recipe.name));
    begin = end == std::string_view::npos ? text.size() : end + 1;
  }
  return values;
}

// ---- by hand ----------------------------------------------------------------------------------------------------

// A format set by hand; "high" also takes the scaling and the detour through bf16 away.
void set_format(MatrixQuantizer& q, const std::string& text) {
  if (text == "high")
    q = MatrixQuantizer{};
  else
    q.element = parse_float_format(text);
}

void set_scaling(MatrixQuantizer& q, const std::string& text, double fixed_scale) {
  q.delayed.reset();
  q.rule = ScaleRule::Amax;
  if (text == "none")
    q.kind = ScaleKind::None;
  else if (text == "fixed")
    q.kind = ScaleKind::Fixed, q.fixed = static_cast<float>(fixed_scale);
  else if (text == "current")
    q.kind = ScaleKind::Tensor;
  else
    throw ConfigError("must be one of none, fixed, current");
}

// One field of a quantizer by name: keys of the config and fields of rules.
void set_field(MatrixQuantizer& q, const std::string& name, const std::string& value) {
  if (name == "format")
    set_format(q, value);
  else if (name == "rounding")
    q.rounding = parse_rounding(value);
  else if (name == "overflow")
    q.overflow = parse_overflow(value);
  else if (name == "random_bits") {
    int bits = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), bits);
    if (error != std::errc{} || end != value.data() + value.size() || bits < 1 || bits > 32)
      throw ConfigError("random_bits must be a whole number from 1 to 32");
    q.random_bits = bits;
  } else if (name == "scaling") {
    set_scaling(q, value, q.fixed);
  } else if (name == "power_of_two") {
    if (value != "true" && value != "false") throw ConfigError("power_of_two must be true or false");
    q.power_of_two = value == "true";
  } else {
    static const std::vector<std::string> kNames = {"format",      "rounding", "overflow",
                                                    "random_bits", "scaling",  "power_of_two"};
    const std::string near = nearest_word(name, kNames);
    throw ConfigError(fmt::format("\"{}\" is not a field; fields are {}{}", name.substr(0, 40), fmt::join(kNames, ", "),
                                  near.empty() ? "" : fmt::format(" (did you mean {}?)", near)));
  }
}

struct Operands {
  std::vector<MatrixQuantizer*> x, w, dy;
};

Operands operands_of(SitePrecision& site) {
  return {{&site.fprop.first, &site.wgrad.second},
          {&site.fprop.second, &site.dgrad.second},
          {&site.dgrad.first, &site.wgrad.first}};
}

void apply_by_hand(SitePrecision& linear, const PrecisionConfig& by_hand) {
  const Operands operands = operands_of(linear);
  const auto set = [](const std::vector<MatrixQuantizer*>& some, const char* key, const char* field,
                      const std::string& value) {
    if (value.empty()) return;
    with_key(key, value, [&] {
      for (MatrixQuantizer* q : some) set_field(*q, field, value);
    });
  };
  set(operands.x, "precision.x", "format", by_hand.x);
  set(operands.w, "precision.w", "format", by_hand.w);
  set(operands.dy, "precision.dy", "format", by_hand.dy);
  if (!by_hand.output.empty())
    with_key("precision.output", by_hand.output, [&] {
      const FloatFormat format = by_hand.output == "high" ? FloatFormat{} : parse_float_format(by_hand.output);
      for (GemmPrecision* gemm : {&linear.fprop, &linear.dgrad, &linear.wgrad})
        gemm->arithmetic.output.element = format;
    });
  for (const auto* some : {&operands.x, &operands.w}) set(*some, "precision.rounding", "rounding", by_hand.rounding);
  set(operands.dy, "precision.dy_rounding", "rounding", by_hand.dy_rounding);
  for_quantizers(linear, [&](MatrixQuantizer& q) {
    set({&q}, "precision.overflow", "overflow", by_hand.overflow);
    if (by_hand.random_bits != 32) q.random_bits = static_cast<int>(by_hand.random_bits);
    if (q.is_identity()) return;
    if (!by_hand.scaling.empty())
      with_key("precision.scaling", by_hand.scaling, [&] { set_scaling(q, by_hand.scaling, by_hand.fixed_scale); });
    set({&q}, "precision.power_of_two", "power_of_two", by_hand.power_of_two);
  });
}

// What stands at attention products or the LM head.
SitePrecision beside(const std::string& key, const std::string& by_hand, const SitePrecision& of_recipe,
                     const SitePrecision& linear) {
  if (by_hand.empty()) return of_recipe;
  if (by_hand == "recipe") return linear;
  if (by_hand == "high") return {};
  MatrixQuantizer operand;
  operand.overflow = Overflow::Native;
  GemmArithmetic arithmetic;
  with_key(key, by_hand, [&] { operand.element = parse_float_format(by_hand); });
  arithmetic.output = operand;
  arithmetic.output.element = FloatFormat{8, 7, 127, Specials::Ieee};
  return SitePrecision::of_tensors(operand, operand, operand, arithmetic);
}

// The keys of what happens between matmuls. Nearest even; overflow as the format has it, so that a diverged value
// shows.
ElementPrecision element_precision(const PrecisionConfig& by_hand, const ElementPrecision& of_recipe) {
  const auto format = [](const std::string& key, const std::string& text, const MatrixQuantizer& otherwise) {
    if (text.empty() || text == "high") return text.empty() ? otherwise : MatrixQuantizer{};
    MatrixQuantizer q;
    q.overflow = Overflow::Native;
    with_key(key, text, [&] { q.element = parse_float_format(text); });
    return q;
  };
  ElementPrecision elements;
  elements.vector = format("precision.vector", by_hand.vector, of_recipe.vector);
  // The others follow precision.vector where it is given.
  const bool given = !by_hand.vector.empty();
  elements.residual = format("precision.residual", by_hand.residual, given ? elements.vector : of_recipe.residual);
  elements.softmax = format("precision.softmax", by_hand.softmax, given ? elements.vector : of_recipe.softmax);
  elements.norm = format("precision.norm", by_hand.norm, given ? elements.vector : of_recipe.norm);
  elements.norm_weights = format("precision.norm_weights", by_hand.norm_weights, of_recipe.norm_weights);
  elements.rope_table = format("precision.rope_table", by_hand.rope_table, of_recipe.rope_table);
  return elements;
}

// ---- rules ------------------------------------------------------------------------------------------------------

const SitePrecision& site_of(const RecipeChoice& choice, SiteKind kind) {
  if (kind == SiteKind::LmHead) return choice.lm_head;
  return kind == SiteKind::AttnQk || kind == SiteKind::AttnPv ? choice.attention : choice.linear;
}

// Which of a site's GEMMs and operands a rule selects, and what it does there.
void apply_rule(const PrecisionRule& rule, const std::optional<RecipeChoice>& recipe, SiteKind kind,
                SitePrecision& site) {
  const SitePrecision replacement = recipe ? site_of(*recipe, kind) : SitePrecision{};
  struct Gemm {
    RulePass pass;
    GemmPrecision SitePrecision::*member;
    RuleOperand first, second;
  };
  static constexpr Gemm kGemms[] = {{RulePass::Fprop, &SitePrecision::fprop, RuleOperand::X, RuleOperand::W},
                                    {RulePass::Dgrad, &SitePrecision::dgrad, RuleOperand::Dy, RuleOperand::W},
                                    {RulePass::Wgrad, &SitePrecision::wgrad, RuleOperand::Dy, RuleOperand::X}};
  for (const Gemm& gemm : kGemms) {
    if (rule.pass != RulePass::Any && rule.pass != gemm.pass) continue;
    GemmPrecision& target = site.*gemm.member;
    const GemmPrecision& from = replacement.*gemm.member;
    const auto change = [&](RuleOperand operand, MatrixQuantizer& q, const MatrixQuantizer& other) {
      if (rule.operand != RuleOperand::Any && rule.operand != operand) return;
      if (recipe) q = other;
      for (const RuleField& field : rule.fields) set_field(q, field.name, field.value);
    };
    change(gemm.first, target.first, from.first);
    change(gemm.second, target.second, from.second);
    if (recipe && rule.operand == RuleOperand::Any) target.arithmetic = from.arithmetic;
    if (rule.operand == RuleOperand::Output)
      change(RuleOperand::Output, target.arithmetic.output, from.arithmetic.output);
  }
}

struct ParsedRule {
  PrecisionRule rule;
  std::optional<RecipeChoice> recipe;
};

std::vector<ParsedRule> parse_all(const std::string& text) {
  std::vector<ParsedRule> rules;
  for (PrecisionRule& rule : parse_rules(text)) {
    ParsedRule parsed;
    if (rule.recipe == "high") parsed.recipe = RecipeChoice{};
    if (!rule.recipe.empty() && !parsed.recipe) parsed.recipe = in_rule(rule, [&] { return make_recipe(rule.recipe); });
    parsed.rule = std::move(rule);
    rules.push_back(std::move(parsed));
  }
  return rules;
}

// Returns whether the rule changed anything.
bool apply_to_policy(const ParsedRule& parsed, PrecisionPolicy& policy) {
  const auto [first_layer, last_layer] = parsed.rule.layers.resolve(policy.layers());
  bool matched = false;
  // The LM head is in no layer.
  if (parsed.rule.selects_site(to_string(SiteKind::LmHead)) && parsed.rule.layers.is_everything()) {
    apply_rule(parsed.rule, parsed.recipe, SiteKind::LmHead, policy.at(policy.site_index(SiteKind::LmHead, 0)));
    matched = true;
  }
  for (const SiteKind kind : policy.block_sites()) {
    if (!parsed.rule.selects_site(to_string(kind))) continue;
    for (std::int64_t layer = first_layer; layer < last_layer; ++layer, matched = true)
      apply_rule(parsed.rule, parsed.recipe, kind, policy.at(policy.site_index(kind, layer)));
  }
  return matched;
}

void validate_policy(const PrecisionPolicy& policy) {
  const std::vector<std::string> names = policy.site_names();
  for (std::size_t i = 0; i < policy.num_sites(); ++i) {
    const SitePrecision& site = policy.at(i);
    for (const GemmPrecision* gemm : {&site.fprop, &site.dgrad, &site.wgrad}) {
      validate(gemm->first), validate(gemm->second), validate(gemm->arithmetic.output);
      validate(gemm->arithmetic.accumulator);
      const bool is_attention =
          names[i].find("attn.qk") != std::string::npos && names[i].find("qkv") == std::string::npos;
      const bool is_product = is_attention || names[i].find("attn.pv") != std::string::npos;
      for (const MatrixQuantizer* q : {&gemm->first, &gemm->second})
        if (is_product && ((q->kind == ScaleKind::Block && q->block_across > 1) || q->kind == ScaleKind::Column))
          throw ConfigError(
              fmt::format("{}: attention products are batches of matrices and take scales per tensor, row or "
                          "1 x k block, not {}",
                          names[i], describe(*q)));
    }
  }
}

PrecisionPolicy base_policy(const PrecisionConfig& config, const ModelConfig& model) {
  RecipeChoice choice = with_key("precision.recipe", config.recipe, [&] { return make_recipe(config.recipe); });
  // Where the recipe does the same at attention products and LM head, so do the keys.
  const bool attention_follows = choice.attention == choice.linear, lm_head_follows = choice.lm_head == choice.linear;
  apply_by_hand(choice.linear, config);
  if (attention_follows) choice.attention = choice.linear;
  if (lm_head_follows) choice.lm_head = choice.linear;
  choice.attention = beside("precision.attention", config.attention, choice.attention, choice.linear);
  choice.lm_head = beside("precision.lm_head", config.lm_head, choice.lm_head, choice.linear);
  if (!config.accumulator.empty()) {
    const Accumulator accumulator =
        with_key("precision.accumulator", config.accumulator, [&] { return parse_accumulator(config.accumulator); });
    for (SitePrecision* site : {&choice.linear, &choice.attention, &choice.lm_head})
      for (GemmPrecision* gemm : {&site->fprop, &site->dgrad, &site->wgrad}) gemm->arithmetic.accumulator = accumulator;
  }
  PrecisionPolicy policy(model.layers, model.kind == "llama" ? std::span<const SiteKind>(kGatedBlockSites)
                                                             : std::span<const SiteKind>(kBlockSites));
  for (const SiteKind kind : policy.block_sites()) policy.set(kind, site_of(choice, kind));
  policy.set(SiteKind::LmHead, choice.lm_head);
  policy.elements() = element_precision(config, choice.elements);
  return policy;
}

}  // namespace

std::vector<std::string> recipe_names() {
  std::vector<std::string> names;
  for (const Recipe& recipe : recipes()) names.push_back(recipe.name);
  return names;
}

const Recipe& find_recipe(std::string_view name) {
  for (const Recipe& recipe : recipes())
    if (recipe.name == name) return recipe;
  const std::string near = nearest_word(std::string(name.substr(0, 60)), recipe_names());
  throw ConfigError({"", 0, "recipe", std::string(name.substr(0, 60))},
                    fmt::format("must be one of {}{}", fmt::join(recipe_names(), ", "),
                                near.empty() ? "" : fmt::format(" (did you mean {}?)", near)));
}

RecipeChoice make_recipe(std::string_view text) {
  const std::size_t colon = std::min(text.find(':'), text.size());
  const Recipe& recipe = find_recipe(text.substr(0, colon));
  RecipeChoice choice = recipe.make(parse_options(recipe, text.substr(std::min(colon + 1, text.size()))));
  for (SitePrecision* site : {&choice.linear, &choice.attention, &choice.lm_head})
    for_quantizers(*site, [](MatrixQuantizer& q) { validate(q); });
  return choice;
}

PrecisionSchedule make_schedule(const PrecisionConfig& config, const ModelConfig& model, std::int64_t steps) {
  const PrecisionPolicy base = base_policy(config, model);
  return with_key(config.rules.empty() ? "precision.recipe" : "precision.rules",
                  config.rules.empty() ? config.recipe : config.rules, [&] {
                    const std::vector<ParsedRule> rules = parse_all(config.rules);
                    std::vector<PrecisionRule> plain;
                    for (const ParsedRule& parsed : rules) plain.push_back(parsed.rule);
                    PrecisionSchedule schedule;
                    schedule.first_steps = rule_cuts(plain, steps);
                    std::vector<bool> matched(rules.size(), false);
                    for (const std::int64_t first_step : schedule.first_steps) {
                      PrecisionPolicy policy = base;
                      for (std::size_t i = 0; i < rules.size(); ++i) {
                        const auto [first, last] = rules[i].rule.steps.resolve(steps);
                        if (first <= first_step && first_step < last)
                          matched[i] =
                              in_rule(rules[i].rule, [&] { return apply_to_policy(rules[i], policy); }) || matched[i];
                      }
                      validate_policy(policy);
                      schedule.policies.push_back(std::move(policy));
                    }
                    for (std::size_t i = 0; i < rules.size(); ++i)
                      if (!matched[i] && steps > 0)
                        throw ConfigError(fmt::format("{} matches no site, layer or step", rules[i].rule.name()));
                    return schedule;
                  });
}

std::string describe(const MatrixQuantizer& q) {
  if (q.is_identity()) return "fp32";
  std::string text = to_string(q.element) + " " + to_string(q.rounding);
  if (is_stochastic(q.rounding)) text += fmt::format(" {} bits", q.random_bits);
  text += " " + to_string(q.overflow);
  if (q.through_bf16) text += ", of bf16";
  if (q.kind == ScaleKind::None) return text;
  text += fmt::format(", {} scale per ", q.delayed ? "delayed" : to_string(q.rule));
  text += q.kind == ScaleKind::Block ? fmt::format("{}x{} block", q.block_across, q.block_along) : to_string(q.kind);
  if (q.power_of_two || (q.delayed && q.delayed->power_of_two)) text += ", power of two";
  if (q.delayed)
    text += fmt::format(", history {}, {}, margin {}", q.delayed->history, to_string(q.delayed->algorithm),
                        q.delayed->margin);
  if (q.amax_floor) text += fmt::format(", amax floor {}", *q.amax_floor);
  if (q.rule == ScaleRule::Nvfp4 && !q.two_level) text += ", one level";
  if (q.row_scaled) text += ", row scaled";
  if (q.four_over_six != FourOverSix::Off) text += ", four over six by " + to_string(q.four_over_six);
  if (q.hadamard) text += ", Hadamard transform";
  return text + ", " + to_string(q.arithmetic);
}

std::string describe(const GemmArithmetic& arithmetic) {
  return fmt::format("accumulated in {}, scales on {}, result {}", to_string(arithmetic.accumulator),
                     arithmetic.scales == ScalesAct::Sums ? "sums" : "operands", describe(arithmetic.output));
}

PrecisionPolicy make_policy(const PrecisionConfig& config, const ModelConfig& model) {
  return make_schedule(config, model, 0).at_step(0);
}

PrecisionPolicy make_policy(const PrecisionConfig& config, std::int64_t layers) {
  ModelConfig gpt;
  gpt.layers = layers;
  return make_policy(config, gpt);
}

}  // namespace precipice
