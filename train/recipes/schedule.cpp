// SPDX-License-Identifier: Apache-2.0
// From a config to the precision of every step: its recipe, the hand-set keys over it, and the rules over both.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

#include "precision/base/check.h"
#include "precision/base/with_key.h"
#include "precision/format/format_presets.h"
#include "precision/gemm/gemm.h"
#include "precision/gemm/unit_operands.h"
#include "precision/policy/element_precision.h"
#include "train/recipes/describe.h"
#include "train/recipes/recipe_settings.h"
#include "train/recipes/recipes.h"
#include "train/recipes/rule_application.h"

namespace precipice {
namespace {

template <class F>
void for_quantizers(SiteSettings& site, const F& f) {
  for (GemmSettings* gemm : {&site.fprop, &site.dgrad, &site.wgrad}) f(gemm->first), f(gemm->second);
}

// ---- by hand ----------------------------------------------------------------------------------------------------

struct Operands {
  std::vector<QuantizerSettings*> x, w, dy;
};

Operands operands_of(SiteSettings& site) {
  return {{&site.fprop.first, &site.wgrad.second},
          {&site.fprop.second, &site.dgrad.second},
          {&site.dgrad.first, &site.wgrad.first}};
}

void apply_by_hand(SiteSettings& linear, const PrecisionConfig& by_hand) {
  const Operands operands = operands_of(linear);
  const auto set_formats = [](const std::vector<QuantizerSettings*>& some, const char* key, const std::string& format) {
    if (format.empty()) return;
    with_key(key, format, [&] {
      for (QuantizerSettings* q : some) set_field(*q, "format", format);
    });
  };
  set_formats(operands.x, "precision.x", by_hand.x);
  set_formats(operands.w, "precision.w", by_hand.w);
  set_formats(operands.dy, "precision.dy", by_hand.dy);
  if (!by_hand.output.empty())
    with_key("precision.output", by_hand.output, [&] {
      const FloatFormat format = by_hand.output == "high" ? FloatFormat{} : parse_float_format(by_hand.output);
      for (GemmSettings* gemm : {&linear.fprop, &linear.dgrad, &linear.wgrad}) gemm->arithmetic.output.format = format;
    });
  for (const auto* some : {&operands.x, &operands.w})
    for (QuantizerSettings* q : *some) q->rounding = by_hand.rounding.value_or(q->rounding);
  for (QuantizerSettings* q : operands.dy) q->rounding = by_hand.dy_rounding.value_or(q->rounding);
  for_quantizers(linear, [&](QuantizerSettings& q) {
    q.overflow = by_hand.overflow.value_or(q.overflow);
    if (by_hand.random_bits != 32) q.random_bits = static_cast<int>(by_hand.random_bits);
    if (q.is_identity()) return;
    if (by_hand.scaling) set_scaling(q, *by_hand.scaling, by_hand.fixed_scale);
    q.power_of_two = by_hand.power_of_two.value_or(q.power_of_two);
  });
}

// What stands at attention products or the LM head.
SiteSettings beside(const std::string& key, const std::string& by_hand, const SiteSettings& of_recipe,
                    const SiteSettings& linear) {
  if (by_hand.empty()) return of_recipe;
  if (by_hand == "recipe") return linear;
  if (by_hand == "high") return {};
  ElementQuantizer operand;
  operand.overflow = Overflow::Native;
  GemmArithmetic arithmetic;
  with_key(key, by_hand, [&] { operand.format = parse_float_format(by_hand); });
  arithmetic.output = operand;
  arithmetic.output.format = kBf16;
  return SiteSettings::of_tensors(operand, operand, operand, arithmetic);
}

// The keys of what happens between matmuls. Nearest even; overflow as the format has it, so that a diverged value
// shows.
ElementPrecision element_precision(const PrecisionConfig& by_hand, const ElementSettings& of_recipe) {
  const auto given = [](const std::string& key, const std::string& text) -> std::optional<ElementQuantizer> {
    if (text.empty()) return std::nullopt;
    ElementQuantizer element;
    if (text == "high") return element;
    element.overflow = Overflow::Native;
    with_key(key, text, [&] { element.format = parse_float_format(text); });
    return element;
  };
  const auto vector = given("precision.vector", by_hand.vector);
  // The others follow precision.vector where it is given.
  const auto follow = [&](const char* key, const std::string& text, const ElementQuantizer& otherwise) {
    const auto own = given(key, text);
    return own ? *own : vector ? *vector : otherwise;
  };
  ElementPrecision elements;
  elements.vector = vector.value_or(of_recipe.vector);
  elements.residual = follow("precision.residual", by_hand.residual, of_recipe.residual);
  elements.softmax = follow("precision.softmax", by_hand.softmax, of_recipe.softmax);
  elements.norm = follow("precision.norm", by_hand.norm, of_recipe.norm);
  const auto gains = given("precision.norm_weights", by_hand.norm_weights);
  elements.norm_weights = gains ? Quantizer(*gains) : quantizer_of(of_recipe.norm_weights);
  elements.rope_table = given("precision.rope_table", by_hand.rope_table).value_or(of_recipe.rope_table);
  return elements;
}

// ---- policies ---------------------------------------------------------------------------------------------------

// Of a flash kernel's tiles no scale can be known, and between score and weight nothing is rounded.
void validate_flash(const PrecisionPolicy& policy, const SitePrecision& site, const std::string& name) {
  validate(site.flash);
  if (!site.flash.is_on) return;
  for (const Quantizer* q : {&site.fprop.first, &site.fprop.second, &site.wgrad.second})
    if (q->is_scaled() || q->hadamard)
      throw ConfigError(fmt::format("{}: flash attention takes operands without scales, not {}", name, describe(*q)));
  if (is_stochastic(site.fprop.first.element.rounding) && !site.flash.sums.is_identity())
    throw ConfigError(fmt::format("{}: flash_sums other than high needs weights without stochastic rounding", name));
  if (!policy.elements().softmax.is_identity())
    throw ConfigError(
        fmt::format("{}: flash attention rounds its weights as operands only, and not to precision.softmax "
                    "= {}; set that to high",
                    name, describe(policy.elements().softmax)));
}

void validate_policy(const PrecisionPolicy& policy) {
  const std::vector<std::string> names = policy.site_names();
  for (std::size_t i = 0; i < policy.num_sites(); ++i) {
    const SitePrecision& site = policy.at(i);
    validate_flash(policy, site, names[i]);
    for (const GemmPrecision* gemm : {&site.fprop, &site.dgrad, &site.wgrad}) {
      validate(gemm->arithmetic.output);
      validate(gemm->arithmetic.accumulator);
      try {
        check_unit(gemm->arithmetic, gemm->first, gemm->second);
      } catch (const ConfigError& error) {
        throw ConfigError(fmt::format("{}: {}", names[i], error.problem()));
      }
      const bool is_attention =
          names[i].find("attn.qk") != std::string::npos && names[i].find("qkv") == std::string::npos;
      const bool is_product = is_attention || names[i].find("attn.pv") != std::string::npos;
      for (const Quantizer* q : {&gemm->first, &gemm->second}) {
        const BlockShape* block = block_of(q->scaling);
        const bool spans_rows = granularity_word(q->scaling) == "column" || (block != nullptr && block->across > 1);
        if (is_product && spans_rows)
          throw ConfigError(
              fmt::format("{}: attention products are batches of matrices and take scales per tensor, row or "
                          "1 x k block, not {}",
                          names[i], describe(*q)));
      }
    }
  }
}

// Every GEMM on the carrier that was asked for. Operands that are not rounded are fp32 numbers and stay there.
void set_carrier(PrecisionPolicy& policy, Carrier carrier) {
  const std::string name = to_string(carrier);
  const std::vector<std::string> names = policy.site_names();
  for (std::size_t i = 0; i < policy.num_sites(); ++i)
    for (GemmPrecision* gemm : {&policy.at(i).fprop, &policy.at(i).dgrad, &policy.at(i).wgrad}) {
      gemm->arithmetic.carrier = carrier;
      if (carrier != Carrier::Bf16 || (gemm->first.is_identity() && gemm->second.is_identity())) continue;
      if (!bf16_is_exact(gemm->first, gemm->second, gemm->arithmetic))
        throw ConfigError({"", 0, "precision.carrier", name},
                          fmt::format("is not exact at {}: {} times {}, {}; auto uses it where it is", names[i],
                                      describe(gemm->first), describe(gemm->second), describe(gemm->arithmetic)));
      if (!can_multiply_bf16())
        throw ConfigError({"", 0, "precision.carrier", name}, "needs a CPU with AVX-512; auto and fp32 run here");
    }
}

PolicySettings base_policy(const PrecisionConfig& config, const ModelConfig& model) {
  PolicySettings settings(PrecisionPolicy(model.layers, model.kind->block_sites, model.kind->predicts_tokens()));
  settings.native = find_recipe(recipe_name(config.recipe)).native;
  PrecisionPolicy& policy = settings.policy;
  RecipeSettings choice = with_key("precision.recipe", config.recipe, [&] {
    RecipeSettings made = make_recipe_settings(config.recipe);
    site_of(made, SiteKind::MlpDown, policy);  // whether it can be done in this model
    return made;
  });
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
    for (SiteSettings* site : {&choice.linear, &choice.attention, &choice.lm_head})
      for (GemmSettings* gemm : {&site->fprop, &site->dgrad, &site->wgrad}) gemm->arithmetic.accumulator = accumulator;
  }
  for (const SiteKind kind : policy.block_sites()) {
    const SiteSettings site = site_of(choice, kind, policy);
    for (std::int64_t layer = 0; layer < policy.layers(); ++layer)
      settings.sites[policy.site_index(kind, layer)] = site;
  }
  if (policy.has_head())
    settings.sites[policy.site_index(SiteKind::LmHead, 0)] = site_of(choice, SiteKind::LmHead, policy);
  policy.elements() = element_precision(config, choice.elements);
  return settings;
}

// Why a rule changed nothing: a site that there is not, or layers or steps beyond the last.
std::string unmatched(const PrecisionRule& rule, const PrecisionPolicy& policy, std::int64_t steps) {
  std::vector<std::string> sites;
  for (const SiteKind kind : policy.block_sites()) sites.push_back(to_string(kind));
  if (policy.has_head()) sites.push_back(to_string(SiteKind::LmHead));
  const bool has_site =
      std::any_of(sites.begin(), sites.end(), [&](const std::string& site) { return rule.selects_site(site); });
  if (!has_site)
    return fmt::format("{} matches no site; the sites of this model are {}", rule.name(), fmt::join(sites, ", "));
  return fmt::format("{} matches no layer or step of this run, which has layers 0 to {} and steps 0 to {}{}",
                     rule.name(), policy.layers() - 1, steps - 1,
                     rule.layers.is_everything() || !policy.has_head() ? "" : "; lm_head is in no layer");
}

}  // namespace

PrecisionSchedule make_schedule(const PrecisionConfig& config, const ModelConfig& model, std::int64_t steps) {
  const PolicySettings base = base_policy(config, model);
  PrecisionSchedule made =
      with_key(config.rules.empty() ? "precision.recipe" : "precision.rules",
               config.rules.empty() ? config.recipe : config.rules, [&] {
                 const std::vector<ParsedRule> rules = read_rules(config.rules);
                 std::vector<PrecisionRule> plain;
                 for (const ParsedRule& parsed : rules) plain.push_back(parsed.rule);
                 PrecisionSchedule schedule;
                 schedule.first_steps = rule_cuts(plain, steps);
                 std::vector<bool> matched(rules.size(), false);
                 for (const std::int64_t first_step : schedule.first_steps) {
                   PolicySettings settings = base;
                   for (std::size_t i = 0; i < rules.size(); ++i) {
                     const auto [first, last] = rules[i].rule.steps.resolve(steps);
                     if (first <= first_step && first_step < last && apply_rule(rules[i], settings)) matched[i] = true;
                   }
                   PrecisionPolicy policy = settings.finished();
                   validate_policy(policy);
                   schedule.policies.push_back(std::move(policy));
                 }
                 for (std::size_t i = 0; i < rules.size(); ++i)
                   if (!matched[i] && steps > 0) throw ConfigError(unmatched(rules[i].rule, base.policy, steps));
                 return schedule;
               });
  for (PrecisionPolicy& policy : made.policies) set_carrier(policy, config.carrier);
  return made;
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
