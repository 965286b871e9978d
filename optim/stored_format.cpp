// SPDX-License-Identifier: Apache-2.0
#include "optim/stored_format.h"

#include <algorithm>
#include <optional>

#include "precision/base/check.h"
#include "precision/base/parse_number.h"
#include "precision/base/spellings.h"
#include "precision/base/with_key.h"

namespace precipice {
namespace {

constexpr Spellings<StoredScaling, 4> kRules{{{"none", StoredScaling::None},
                                              {"current", StoredScaling::Current},
                                              {"current-pow2", StoredScaling::CurrentPowerOfTwo},
                                              {"ms-amp", StoredScaling::MsAmp}}};
constexpr std::string_view kKahan = "-kahan";
constexpr std::string_view kBlock = ":block=";

// As much of a value as an error tells.
std::string shown(std::string_view value) {
  return std::string(value.substr(0, 60));
}

[[noreturn]] void refuse(const std::string& key, std::string_view value, const std::string& problem) {
  throw ConfigError({.file = "", .line = 0, .key = key, .value = shown(value)}, problem);
}

struct Scaling {
  StoredScaling rule;
  std::int64_t block;
};

Scaling parse_scaling(const std::string& key, std::string_view text) {
  const std::size_t at = std::min(text.find(kBlock), text.size());
  const StoredScaling rule =
      with_key(key, shown(text), [&] { return parse_spelling("the rule", text.substr(0, at), kRules); });
  if (at == text.size()) return {rule, 0};
  const auto block = parse_number<std::int64_t>(text.substr(at + kBlock.size()));
  if (!block || *block < 1) refuse(key, text, "block must be a whole number of at least 1");
  if (rule == StoredScaling::None) refuse(key, text, "none has no scales to share; write none alone");
  return {rule, *block};
}

// The longest word after the format's spelling that names a rounding.
std::optional<Rounding> rounding_suffix(std::string_view& text) {
  for (const auto& [name, rounding] : kRoundings) {
    const std::string word = std::string("-") + name;
    if (!text.ends_with(word)) continue;
    text.remove_suffix(word.size());
    return rounding;
  }
  return {};
}

struct Role {
  std::string key;
  bool kahan_allowed;
  bool is_signed;
};

StoredFormat parse_stored_format(const Role& role, std::string_view text, const Scaling& scaling) {
  StoredFormat stored;
  std::string_view name = text;
  stored.kahan = name.ends_with(kKahan);
  if (stored.kahan) name.remove_suffix(kKahan.size());
  const auto rounding = rounding_suffix(name);
  stored.rounding = rounding.value_or(Rounding::NearestEven);
  stored.format = with_key(role.key, shown(text), [&] { return parse_float_format(name); });

  if (stored.kahan && !role.kahan_allowed) refuse(role.key, text, "only optimizer.weights can be compensated (-kahan)");
  if (stored.kahan && rounding)
    refuse(role.key, text, "-kahan rounds to nearest; write " + std::string(name) + "-kahan");
  if (stored.format.is_fp32() && rounding) refuse(role.key, text, "nothing is rounded in fp32; write fp32 alone");
  if (!stored.format.zero) refuse(role.key, text, "needs a format with a zero");
  if (role.is_signed && stored.format.sign == Sign::Unsigned) refuse(role.key, text, "needs a format with a sign");

  // A scale moves numbers into a format's range, and here the ranges are the same.
  if (stored.format.exponent_bits < 8) {
    stored.rule = scaling.rule;
    stored.block = scaling.block;
  }
  if (stored.kahan && stored.rule != StoredScaling::None)
    refuse(role.key, text, "the weight and its compensation have no scale; set optimizer.weight_scaling = \"none\"");
  return stored;
}

}  // namespace

std::int64_t StoredFormat::scales(std::int64_t size) const {
  if (rule == StoredScaling::None || size == 0) return 0;
  return block == 0 ? 1 : (size + block - 1) / block;
}

double StoredFormat::bits() const {
  const double scale = rule != StoredScaling::None && block > 0 ? 32.0 / static_cast<double>(block) : 0.0;
  return (kahan ? 2.0 : 1.0) * format.bits() + scale;
}

std::string to_string(const StoredFormat& stored) {
  std::string text = to_string(stored.format);
  if (stored.kahan) text += kKahan;
  if (stored.rounding != Rounding::NearestEven) text += "-" + to_string(stored.rounding);
  if (stored.rule == StoredScaling::None) return text;
  return text + ", " + std::string(spelling_of(stored.rule, kRules)) + " scale per " +
         (stored.block == 0 ? "tensor" : join_parts(stored.block, " elements"));
}

StoredFormats parse_stored_formats(const StateConfig& c) {
  const Scaling weights = parse_scaling("optimizer.weight_scaling", c.weight_scaling);
  const Scaling states = parse_scaling("optimizer.state_scaling", c.state_scaling);
  const Scaling gradients = parse_scaling("optimizer.gradient_scaling", c.gradient_scaling);
  return {parse_stored_format({"optimizer.weights", true, true}, c.weights, weights),
          parse_stored_format({"optimizer.moment1", false, true}, c.moment1, states),
          parse_stored_format({"optimizer.moment2", false, false}, c.moment2, states),
          parse_stored_format({"optimizer.gradients", false, true}, c.gradients, gradients)};
}

}  // namespace precipice
