// SPDX-License-Identifier: Apache-2.0
// From text to quantizers: a recipe with its options.
#include "train/recipes/recipes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "precision/base/check.h"
#include "precision/base/spellings.h"
#include "precision/base/with_key.h"
#include "precision/scaling/scale_rule_table.h"
#include "train/recipes/recipe_settings.h"

namespace precipice {
namespace {

// The option whose name was meant, "" where none is near that could have such a value: nvfp4:scale=e5m3 is no misspelt
// `scales`, which takes sums or operand.
std::string nearest_option(const Recipe& recipe, const std::vector<std::string>& names, const std::string& name,
                           const std::string& value) {
  const std::string near = nearest_word(name, names);
  if (near.empty() || value.empty()) return near;
  try {
    recipe.make({{near, value}});
  } catch (const ConfigError&) {
    return "";
  }
  return near;
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
      const std::string value(
          equals == std::string_view::npos ? "" : text.substr(equals + 1, text.find(',', equals) - equals - 1));
      const std::string near = nearest_option(recipe, names, name, value);
      throw ConfigError(fmt::format("recipe {} has no option \"{}\"{}; it has {}", recipe.name, name.substr(0, 40),
                                    near.empty() ? "" : fmt::format(" (did you mean {}?)", near),
                                    names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "))));
    }
    if (equals == std::string_view::npos)
      throw ConfigError(fmt::format("option {} of recipe {} needs a value", name, recipe.name));
    std::size_t end = text.find(',', equals);
    while ((name == "element" || name == "format") && end != std::string_view::npos) {
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

// The E8M0 rules of a recipe that has the option: mxfp8-rceil is another spelling of mxfp8:rule=rceil.
std::vector<std::string> suffixes_of(const Recipe& recipe) {
  std::vector<std::string> suffixes;
  const bool has_option = std::any_of(recipe.options.begin(), recipe.options.end(),
                                      [](const RecipeOption& option) { return option.name == "rule"; });
  for (const ScaleRuleInfo& rule : scale_rules())
    if (has_option && rule.is_e8m0) suffixes.emplace_back(rule.name);
  return suffixes;
}

// The rule in "mxfp8-rceil"; empty where the name is none of these.
std::string rule_of_suffix(const Recipe& recipe, std::string_view name) {
  if (!name.starts_with(recipe.name + "-")) return "";
  const std::vector<std::string> suffixes = suffixes_of(recipe);
  const auto found = std::find(suffixes.begin(), suffixes.end(), name.substr(recipe.name.size() + 1));
  return found == suffixes.end() ? "" : *found;
}

}  // namespace

std::vector<std::string> recipe_names() {
  std::vector<std::string> names;
  for (const Recipe& recipe : recipes()) names.push_back(recipe.name);
  return names;
}

const Recipe& find_recipe(std::string_view given) {
  const std::string name_in_lower_case = lower_case(given);
  const std::string_view name = name_in_lower_case;
  const auto is_named = [&](const Recipe& recipe) {
    return recipe.name == name || !rule_of_suffix(recipe, name).empty() ||
           std::find(recipe.aliases.begin(), recipe.aliases.end(), name) != recipe.aliases.end();
  };
  if (const auto found = std::find_if(recipes().begin(), recipes().end(), is_named); found != recipes().end())
    return *found;
  std::vector<std::string> names = recipe_names();
  for (const Recipe& recipe : recipes())
    for (const std::string& rule : suffixes_of(recipe)) names.push_back(recipe.name + "-" + rule);
  const std::string near = nearest_word(std::string(name.substr(0, 60)), names);
  throw ConfigError({"", 0, "recipe", std::string(name.substr(0, 60))},
                    fmt::format("{}must be one of {}", near.empty() ? "" : fmt::format("did you mean {}? It ", near),
                                fmt::join(recipe_names(), ", ")));
}

std::string_view recipe_name(std::string_view text) {
  return text.substr(0, std::min(text.find(':'), text.size()));
}

std::string canonical_recipe(std::string_view given) {
  const std::string text = lower_case(given);  // E8M3, as papers write it
  const std::size_t colon = std::min(text.find(':'), text.size());
  const std::string name = text.substr(0, colon);
  const Recipe& recipe = find_recipe(name);
  std::string options = text.substr(std::min(colon + 1, text.size()));
  if (const std::string rule = rule_of_suffix(recipe, name); !rule.empty())
    options = "rule=" + rule + (options.empty() ? "" : "," + options);
  return recipe.name + (options.empty() ? "" : ":" + options);
}

RecipeSettings make_recipe_settings(std::string_view given) {
  const std::string text = canonical_recipe(given);
  const std::size_t colon = std::min(text.find(':'), text.size());
  const Recipe& recipe = find_recipe(text.substr(0, colon));
  return with_key("recipe", lower_case(given), [&] {
    RecipeSettings settings = recipe.make(parse_options(recipe, text.substr(std::min(colon + 1, text.size()))));
    recipe_choice(settings);  // whether each quantizer is one
    return settings;
  });
}

RecipeChoice make_recipe(std::string_view text) {
  return recipe_choice(make_recipe_settings(text));
}

}  // namespace precipice
