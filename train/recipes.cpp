// SPDX-License-Identifier: Apache-2.0
#include "train/recipes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace precipice {
namespace {

// A recipe before layers are known: what the linears do, and what the two kinds of sites beside them do.
struct Choice {
  QuantizerConfig x, w, dy, output;  // linears
  bool attention_follows = true;     // attention products like the linears; otherwise bf16
  bool lm_head_follows = true;
};

QuantizerConfig bf16_operand() {
  QuantizerConfig config;
  config.format = parse_float_format("bf16");
  config.overflow = Overflow::Native;
  return config;
}

QuantizerConfig current_scaled(const char* format) {
  QuantizerConfig config;
  config.format = parse_float_format(format);
  config.scaling.kind = Scaling::Kind::CurrentTensor;
  return config;
}

QuantizerConfig masked_bf16(int mantissa_bits) {
  QuantizerConfig config = bf16_operand();
  config.format.mantissa_bits = mantissa_bits;
  config.rounding = Rounding::TowardZero;
  config.through_bf16 = true;
  return config;
}

std::vector<std::string> plain_recipes() {
  return {"fp32", "bf16", "tf32", "fp8", "fp8-all", "custom"};
}

Choice named_choice(const std::string& name) {
  Choice choice;
  if (name == "fp32" || name == "custom") return choice;
  if (name == "bf16") {
    choice.x = choice.w = choice.dy = choice.output = bf16_operand();
    return choice;
  }
  if (name == "tf32") {
    choice.x.format = choice.w.format = choice.dy.format = parse_float_format("tf32");
    choice.x.overflow = choice.w.overflow = choice.dy.overflow = Overflow::Native;
    return choice;
  }
  if (name == "fp8" || name == "fp8-all") {
    choice.x = choice.w = current_scaled("e4m3");
    choice.dy = current_scaled("e5m2");
    choice.output = bf16_operand();
    choice.attention_follows = choice.lm_head_follows = name == "fp8-all";
    return choice;
  }
  if (name.size() == 4 && name.starts_with("e8m") && name[3] >= '0' && name[3] <= '7') {
    choice.x = choice.w = choice.dy = masked_bf16(name[3] - '0');
    choice.output = bf16_operand();
    return choice;
  }
  const std::string near = nearest_word(name, recipe_names());
  throw ConfigError({"", 0, "precision.recipe", name},
                    fmt::format("must be one of {}{}", fmt::join(recipe_names(), ", "),
                                near.empty() ? "" : fmt::format(" (did you mean {}?)", near)));
}

// Runs `change` and names the key in whatever it refuses.
template <class Change>
void with_key(const std::string& key, const std::string& value, const Change& change) {
  if (value.empty()) return;
  try {
    change();
  } catch (const ConfigError& error) {
    throw ConfigError({"", 0, key, value}, error.problem());
  }
}

FloatFormat format_or_high(const std::string& text) {
  return text == "high" ? FloatFormat{} : parse_float_format(text);
}

// A format set by hand; "high" also takes the scaling and the detour through bf16 away.
void set_format(QuantizerConfig& config, const std::string& text) {
  if (text == "high")
    config = QuantizerConfig{};
  else
    config.format = parse_float_format(text);
}

void set_scaling(QuantizerConfig& config, const PrecisionConfig& by_hand) {
  if (config.is_identity()) return;
  if (!by_hand.scaling.empty()) {
    config.scaling.kind = parse_scaling_kind(by_hand.scaling);
    config.scaling.fixed = static_cast<float>(by_hand.fixed_scale);
  }
  if (!by_hand.power_of_two.empty()) config.scaling.power_of_two = by_hand.power_of_two == "true";
}

void apply_by_hand(Choice& choice, const PrecisionConfig& by_hand) {
  with_key("precision.x", by_hand.x, [&] { set_format(choice.x, by_hand.x); });
  with_key("precision.w", by_hand.w, [&] { set_format(choice.w, by_hand.w); });
  with_key("precision.dy", by_hand.dy, [&] { set_format(choice.dy, by_hand.dy); });
  with_key("precision.output", by_hand.output, [&] { choice.output.format = format_or_high(by_hand.output); });
  with_key("precision.rounding", by_hand.rounding,
           [&] { choice.x.rounding = choice.w.rounding = parse_rounding(by_hand.rounding); });
  with_key("precision.dy_rounding", by_hand.dy_rounding,
           [&] { choice.dy.rounding = parse_rounding(by_hand.dy_rounding); });
  with_key("precision.overflow", by_hand.overflow,
           [&] { choice.x.overflow = choice.w.overflow = choice.dy.overflow = parse_overflow(by_hand.overflow); });
  for (QuantizerConfig* operand : {&choice.x, &choice.w, &choice.dy}) {
    operand->random_bits = static_cast<int>(by_hand.random_bits);
    set_scaling(*operand, by_hand);
  }
}

// What stands at attention products or the LM head.
SitePrecision beside(const std::string& key, const std::string& by_hand, bool follows, const Choice& choice) {
  const SitePrecision like_linears = SitePrecision::of_tensors(choice.x, choice.w, choice.dy, choice.output);
  if (by_hand.empty() ? follows : by_hand == "recipe") return like_linears;
  if (by_hand == "high") return {};
  QuantizerConfig operand = bf16_operand();
  with_key(key, by_hand, [&] { operand.format = parse_float_format(by_hand); });
  return SitePrecision::of_tensors(operand, operand, operand, bf16_operand());
}

// The keys of what happens between matmuls. Nearest even; overflow as the format has it, so that a diverged value
// shows.
ElementPrecision element_precision(const PrecisionConfig& by_hand) {
  const auto format = [](const std::string& key, const std::string& text, const QuantizerConfig& otherwise) {
    if (text.empty() || text == "high") return text.empty() ? otherwise : QuantizerConfig{};
    QuantizerConfig config;
    config.overflow = Overflow::Native;
    with_key(key, text, [&] { config.format = parse_float_format(text); });
    return config;
  };
  ElementPrecision elements;
  elements.vector = format("precision.vector", by_hand.vector, {});
  elements.residual = format("precision.residual", by_hand.residual, elements.vector);
  elements.softmax = format("precision.softmax", by_hand.softmax, elements.vector);
  elements.norm = format("precision.norm", by_hand.norm, elements.vector);
  elements.norm_weights = format("precision.norm_weights", by_hand.norm_weights, {});
  elements.rope_table = format("precision.rope_table", by_hand.rope_table, {});
  return elements;
}

}  // namespace

std::vector<std::string> recipe_names() {
  std::vector<std::string> names = plain_recipes();
  for (int bits = 0; bits <= 7; ++bits) names.push_back(fmt::format("e8m{}", bits));
  return names;
}

PrecisionPolicy make_policy(const PrecisionConfig& config, const ModelConfig& model) {
  Choice choice = named_choice(config.recipe);
  apply_by_hand(choice, config);
  PrecisionPolicy policy(model.layers, model.kind == "llama" ? std::span<const SiteKind>(kGatedBlockSites)
                                                             : std::span<const SiteKind>(kBlockSites));
  const SitePrecision linear = SitePrecision::of_tensors(choice.x, choice.w, choice.dy, choice.output);
  const SitePrecision attention = beside("precision.attention", config.attention, choice.attention_follows, choice);
  for (const SiteKind kind : policy.block_sites())
    policy.set(kind, kind == SiteKind::AttnQk || kind == SiteKind::AttnPv ? attention : linear);
  policy.set(SiteKind::LmHead, beside("precision.lm_head", config.lm_head, choice.lm_head_follows, choice));
  policy.elements() = element_precision(config);
  return policy;
}

PrecisionPolicy make_policy(const PrecisionConfig& config, std::int64_t layers) {
  ModelConfig gpt;
  gpt.layers = layers;
  return make_policy(config, gpt);
}

}  // namespace precipice
