// SPDX-License-Identifier: Apache-2.0
#include "experiments/cli/completion_words.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>
#include <variant>

#include "precision/base/check.h"
#include "precision/format/float_format.h"
#include "train/config/run_config.h"
#include "train/recipes/recipes.h"
#include "train/run/resolve_config.h"

namespace precipice {
namespace {

constexpr std::array kFileKeys = {"data.path", "init.from"};

// Whether a run may have this value with any architecture: some keys are those of one alone.
bool is_accepted(const std::string& key, const std::string& value) {
  const ConfigError::Where where{"", 0, key, value};
  for (const Architecture& architecture : architectures()) {
    try {
      resolve_config({{"model.kind", {architecture.name}, false, {}}, {key, {value}, false, where}});
      return true;
    } catch (const ConfigError&) {
      continue;
    }
  }
  return false;
}

std::vector<Candidate> format_candidates() {
  std::vector<Candidate> candidates;
  for (const PresetFormat& preset : preset_formats()) candidates.push_back({preset.name, preset.citation});
  return candidates;
}

std::vector<Candidate> recipe_candidates() {
  std::vector<Candidate> candidates;
  for (const Recipe& recipe : recipes()) candidates.push_back({recipe.name, recipe.summary});
  return candidates;
}

// A key of text without listed choices says in no other way than by what it accepts whether it takes recipes, formats,
// or words that other keys have for choices (none, current, ...).
std::vector<Candidate> accepted_words(const std::vector<ConfigField>& fields, const std::string& key,
                                      const std::string& typed) {
  if (is_accepted(key, "neither a word nor a number")) return {};
  std::vector<Candidate> pool = recipe_candidates();
  const auto accepted = [&](const Candidate& candidate) { return is_accepted(key, candidate.word); };
  if (std::all_of(pool.begin(), pool.end(), accepted)) return complete_recipe(typed);
  pool = format_candidates();
  pool.push_back({"high", "no rounding"});
  std::set<std::string> choices{kOfRecipe};
  for (const ConfigField& field : fields) choices.insert(field.choices.begin(), field.choices.end());
  for (const Candidate& candidate : pool) choices.erase(candidate.word);
  for (const std::string& choice : choices)
    if (!choice.empty()) pool.push_back({choice, ""});
  std::vector<Candidate> matching = beginning_with(typed, std::move(pool));
  std::erase_if(matching, [&](const Candidate& candidate) { return !accepted(candidate); });
  return matching;
}

std::vector<Candidate> with_prefix(const std::string& before, std::vector<Candidate> candidates) {
  for (Candidate& candidate : candidates) candidate.word.insert(0, before);
  return candidates;
}

}  // namespace

std::vector<Candidate> beginning_with(const std::string& typed, std::vector<Candidate> candidates,
                                      const std::string& before) {
  std::erase_if(candidates, [&](const Candidate& candidate) { return !candidate.word.starts_with(typed); });
  return with_prefix(before, std::move(candidates));
}

std::vector<Candidate> complete_format(const std::string& typed, const std::string& before) {
  return beginning_with(typed, format_candidates(), before);
}

std::vector<Candidate> complete_recipe(const std::string& typed, const std::string& before) {
  const std::size_t colon = typed.find(':');
  if (colon == std::string::npos) return beginning_with(typed, recipe_candidates(), before);
  const std::size_t start = std::max(colon, typed.find_last_of(":,")) + 1;
  const auto& all = recipes();
  const std::string name = typed.substr(0, colon);
  const auto recipe = std::find_if(all.begin(), all.end(), [&](const Recipe& r) { return r.name == name; });
  if (recipe == all.end()) return {};
  std::vector<Candidate> options;
  for (const RecipeOption& option : recipe->options) options.push_back({option.name + "=", option.help});
  return beginning_with(typed.substr(start), options, before + typed.substr(0, start));
}

std::vector<Candidate> complete_key(const std::string& typed) {
  std::vector<Candidate> keys;
  for (const ConfigKey& key : config_keys()) keys.push_back({key.name, key.help});
  return beginning_with(typed, keys);
}

std::vector<Candidate> complete_value(const std::string& key, const std::string& typed, const std::string& before) {
  RunConfig config;
  const std::vector<ConfigField> fields = config_fields(config);
  const auto field = std::find_if(fields.begin(), fields.end(), [&](const ConfigField& f) { return f.key == key; });
  if (field == fields.end()) return {};
  std::vector<Candidate> words;
  if (std::holds_alternative<bool*>(field->target) || std::holds_alternative<std::optional<bool>*>(field->target))
    words = {{"true", ""}, {"false", ""}};
  for (const std::string& choice : field->choices)
    if (!choice.empty()) words.push_back({choice, ""});
  if (words.empty() && std::holds_alternative<std::string*>(field->target)) words = accepted_words(fields, key, typed);
  return beginning_with(typed, std::move(words), before);
}

Completion complete_setting(const std::string& typed, bool several) {
  const std::size_t equals = typed.find('=');
  if (equals == std::string::npos) {
    std::vector<Candidate> keys = complete_key(typed);
    for (Candidate& key : keys) key.word += "=";
    return {std::move(keys)};
  }
  const std::string key = typed.substr(0, equals);
  const std::size_t comma = several ? typed.rfind(',') : std::string::npos;
  const std::size_t start = (comma == std::string::npos || comma < equals ? equals : comma) + 1;
  const std::string before = typed.substr(0, start);
  if (std::find(kFileKeys.begin(), kFileKeys.end(), key) != kFileKeys.end())
    return {{}, Completion::Names::Files, before};
  return {complete_value(key, typed.substr(start), before)};
}

}  // namespace precipice
