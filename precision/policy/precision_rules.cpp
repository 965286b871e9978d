// SPDX-License-Identifier: Apache-2.0
#include "precision/policy/precision_rules.h"

#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "precision/base/check.h"
#include "precision/base/parse_number.h"
#include "precision/base/spellings.h"

namespace precipice {
namespace {

constexpr Spellings<RulePass, 3> kPasses{
    {{"fprop", RulePass::Fprop}, {"dgrad", RulePass::Dgrad}, {"wgrad", RulePass::Wgrad}}};
constexpr Spellings<RuleOperand, 4> kOperands{
    {{"x", RuleOperand::X}, {"w", RuleOperand::W}, {"dy", RuleOperand::Dy}, {"output", RuleOperand::Output}}};
constexpr std::array kSelectors = {"site", "layers", "steps", "pass", "operand"};

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(separator, begin), text.size());
    if (const std::string_view part = trimmed(text.substr(begin, end - begin)); !part.empty()) parts.push_back(part);
    begin = end + 1;
  }
  return parts;
}

void parse_selector(PrecisionRule& rule, std::string_view word) {
  const std::size_t equals = word.find('=');
  if (equals == std::string_view::npos) {
    rule.site = std::string(word);
    return;
  }
  const std::string_view key = word.substr(0, equals), value = word.substr(equals + 1);
  if (key == "site")
    rule.site = std::string(value);
  else if (key == "layers")
    rule.layers = IndexRange::parse("layers", value);
  else if (key == "steps")
    rule.steps = IndexRange::parse("steps", value);
  else if (key == "pass")
    rule.pass = parse_spelling("pass of a rule", value, kPasses);
  else if (key == "operand")
    rule.operand = parse_spelling("operand of a rule", value, kOperands);
  else {
    const std::string near = nearest_word(std::string(key), kSelectors);
    throw ConfigError(join_parts("\"", key.substr(0, 40), "\" is not a selector; they are a kind of site, layers=, ",
                                 "steps=, pass= and operand=", near.empty() ? "" : " (did you mean " + near + "=?)"));
  }
}

// A word with '=' before any ':' is a field; anything else is a recipe, whose options have their '=' after the ':'.
bool is_field(std::string_view word) {
  return word.find('=') < word.find(':');
}

void parse_action(PrecisionRule& rule, std::string_view text) {
  for (const std::string_view word : split(text, ' ')) {
    if (is_field(word)) {
      const std::size_t equals = word.find('=');
      rule.fields.push_back({std::string(word.substr(0, equals)), std::string(word.substr(equals + 1))});
    } else if (rule.recipe.empty()) {
      rule.recipe = std::string(word);
    } else {
      throw ConfigError("has two recipes after ->");
    }
  }
  if (rule.recipe.empty() == rule.fields.empty())
    throw ConfigError("needs a recipe, high, or fields such as format=e5m3 after ->, and not a recipe and fields both");
}

std::string respaced(std::string_view text) {
  std::string result;
  for (const std::string_view word : split(text, ' ')) {
    if (!result.empty()) result += ' ';
    result += word;
  }
  return result;
}

void parse_rule(PrecisionRule& rule, std::string_view text) {
  const std::size_t arrow = text.find("->");
  if (arrow == std::string_view::npos) throw ConfigError("needs the form SELECTORS -> ACTION");
  const std::string selectors = respaced(text.substr(0, arrow));
  rule.text = selectors + (selectors.empty() ? "-> " : " -> ") + respaced(text.substr(arrow + 2));
  std::set<std::string_view> seen;
  for (const std::string_view word : split(text.substr(0, arrow), ' ')) {
    const std::size_t equals = word.find('=');
    if (!seen.insert(equals == std::string_view::npos ? "site" : word.substr(0, equals)).second)
      throw ConfigError("a selector is given twice");
    parse_selector(rule, word);
  }
  parse_action(rule, text.substr(arrow + 2));
}

}  // namespace

IndexRange::Bound IndexRange::parse_bound(std::string_view what, std::string_view text) {
  Bound bound;
  std::string_view digits = text;
  if (!digits.empty() && digits.front() == '-') bound.from_end = true, digits.remove_prefix(1);
  if (!digits.empty() && digits.back() == '%') bound.percent = true, digits.remove_suffix(1);
  bound.value = parse_number<double>(digits).value_or(-1);
  const bool whole = bound.percent || bound.value == std::floor(bound.value);
  if (!(bound.value >= 0) || !whole || bound.value > (bound.percent ? 100.0 : 1e15))
    throw ConfigError(join_parts(what, "=", text.substr(0, 40), ": expected A:B with whole numbers or percentages"));
  return bound;
}

IndexRange IndexRange::parse(std::string_view what, std::string_view text) {
  IndexRange range;
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) {
    range.begin_ = parse_bound(what, text);
    range.single_ = true;
    if (range.begin_->percent)
      throw ConfigError(join_parts(what, "=", text, ": a percentage needs a range, as ", text, ":"));
    return range;
  }
  if (colon > 0) range.begin_ = parse_bound(what, text.substr(0, colon));
  if (colon + 1 < text.size()) range.end_ = parse_bound(what, text.substr(colon + 1));
  return range;
}

std::int64_t IndexRange::place(const Bound& bound, std::int64_t count) {
  const double distance = bound.percent ? std::ceil(bound.value * static_cast<double>(count) / 100.0) : bound.value;
  const auto offset = static_cast<std::int64_t>(distance);
  return bound.from_end ? count - offset : offset;
}

std::pair<std::int64_t, std::int64_t> IndexRange::resolve(std::int64_t count) const {
  const std::int64_t first = begin_ ? place(*begin_, count) : 0;
  const std::int64_t last = single_ ? first + 1 : end_ ? place(*end_, count) : count;
  return {std::clamp<std::int64_t>(first, 0, count), std::clamp<std::int64_t>(last, 0, count)};
}

bool PrecisionRule::selects_site(std::string_view kind) const {
  return fnmatch(site.c_str(), std::string(kind).c_str(), 0) == 0;
}

std::string PrecisionRule::name() const {
  return join_parts("rule ", number, " \"", text.substr(0, 100), "\"");
}

std::vector<PrecisionRule> parse_rules(std::string_view text) {
  std::vector<PrecisionRule> rules;
  for (const std::string_view part : split(text, ';')) {
    PrecisionRule& rule = rules.emplace_back();
    rule.text = std::string(part);
    rule.number = rules.size();
    try {
      parse_rule(rule, part);
    } catch (const ConfigError& error) {
      throw ConfigError(join_parts(rule.name(), ": ", error.what()));
    }
  }
  return rules;
}

std::string to_string(const std::vector<PrecisionRule>& rules) {
  std::string text;
  for (const PrecisionRule& rule : rules) text += (text.empty() ? "" : "; ") + rule.text;
  return text;
}

std::vector<std::int64_t> rule_cuts(const std::vector<PrecisionRule>& rules, std::int64_t steps) {
  std::set<std::int64_t> cuts = {0};
  for (const PrecisionRule& rule : rules) {
    const auto [first, last] = rule.steps.resolve(steps);
    if (first < last) cuts.insert({first, last});
  }
  if (steps > 0) cuts.erase(steps);
  return {cuts.begin(), cuts.end()};
}

}  // namespace precipice
