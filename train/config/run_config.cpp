// SPDX-License-Identifier: Apache-2.0
#include "train/config/run_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <type_traits>

#include "metrics/files/files.h"
#include "precision/base/spellings.h"
#include "train/config/nearest_key.h"

namespace precipice {
namespace {

std::string limit_text(double value) {
  return fmt::format("{}", value);
}

[[noreturn]] void reject(const Setting& setting, const std::string& allowed) {
  throw ConfigError(setting.where, allowed);
}

// Nothing to see where a choice is the empty text, so it is shown quoted.
std::string spell_choices(std::vector<std::string> choices, const char* separator) {
  for (std::string& choice : choices)
    if (choice.empty()) choice = "\"\"";
  return fmt::format("{}", fmt::join(choices, separator));
}

double checked_number(const ConfigField& field, const Setting& setting, const Scalar& value) {
  double number = 0;
  if (const auto* v = std::get_if<double>(&value))
    number = *v;
  else if (const auto* w = std::get_if<std::int64_t>(&value))
    number = static_cast<double>(*w);
  else
    reject(setting,
           fmt::format("expected a number from {} to {}", limit_text(field.minimum), limit_text(field.maximum)));
  if (!(number >= field.minimum && number <= field.maximum))
    reject(setting, fmt::format("must be from {} to {}", limit_text(field.minimum), limit_text(field.maximum)));
  return number;
}

std::int64_t checked_integer(const ConfigField& field, const Setting& setting) {
  const auto* value = std::get_if<std::int64_t>(&setting.values[0]);
  const std::string allowed =
      fmt::format("a whole number from {} to {}", limit_text(field.minimum), limit_text(field.maximum));
  if (!value) reject(setting, "expected " + allowed);
  checked_number(field, setting, *value);
  return *value;
}

std::string text_of(const ConfigField& field) {
  if (const auto* words = std::get_if<WordTarget>(&field.target)) return words->word();
  return *std::get<std::string*>(field.target);
}

// Nothing stands for the default only where the default is nothing: elsewhere it is an unset variable of a script.
bool is_empty_by_default(const std::string& key) {
  // Made once: a config has a dozen empty texts, and the table of all keys is long.
  static const std::set<std::string> empty = [] {
    std::set<std::string> keys;
    RunConfig defaults;
    for (const ConfigField& field : config_fields(defaults))
      if (is_text(field) && text_of(field).empty()) keys.insert(field.key);
    return keys;
  }();
  return empty.contains(key);
}

std::string checked_text(const ConfigField& field, const Setting& setting) {
  const auto* value = std::get_if<std::string>(&setting.values[0]);
  if (!value) reject(setting, "expected text");
  if (value->find_first_of("\n\r\t") != std::string::npos) reject(setting, "control characters are not allowed");
  if (value->empty() && !is_empty_by_default(field.key)) reject(setting, "a value is missing");
  if (field.choices.empty()) return *value;
  for (const auto& choice : field.choices)
    if (choice == *value) return *value;
  const std::string near = nearest_word(*value, field.choices);
  reject(setting, fmt::format("must be one of {}{}", spell_choices(field.choices, ", "),
                              near.empty() ? "" : fmt::format(" (did you mean {}?)", near)));
}

std::vector<double> checked_list(const ConfigField& field, const Setting& setting) {
  std::vector<double> list;
  if (setting.values.empty() || setting.values.size() > 16) reject(setting, "expected 1 to 16 numbers");
  for (const auto& value : setting.values) {
    const double number = checked_number(field, setting, value);
    // Each number names a series of its own.
    if (std::find(list.begin(), list.end(), number) != list.end()) reject(setting, "the numbers must differ");
    list.push_back(number);
  }
  return list;
}

// Steps, say: a set, in rising order however it was given.
std::vector<std::int64_t> checked_integers(const ConfigField& field, const Setting& setting) {
  constexpr std::size_t kMost = 64;
  if (setting.values.size() > kMost) reject(setting, fmt::format("expected at most {} whole numbers", kMost));
  std::vector<std::int64_t> list;
  for (const Scalar& value : setting.values)
    list.push_back(checked_integer(field, {setting.key, {value}, false, setting.where}));
  std::sort(list.begin(), list.end());
  if (std::adjacent_find(list.begin(), list.end()) != list.end()) reject(setting, "the numbers must differ");
  return list;
}

// An array of texts as the one text that it stands for.
Setting joined(const ConfigField& field, Setting setting) {
  std::string text;
  for (std::size_t i = 0; i < setting.values.size(); ++i) {
    const auto* element = std::get_if<std::string>(&setting.values[i]);
    const auto refuse = [&](const std::string& problem) {
      reject(setting, fmt::format("element {} {}", i + 1, problem));
    };
    if (!element) refuse("must be text");
    if (element->find_first_not_of(' ') == std::string::npos) refuse("is empty");
    if (element->find(field.separator[0]) != std::string::npos)
      refuse(fmt::format("holds a '{}': one to an element", field.separator[0]));
    text += (i == 0 ? "" : field.separator) + *element;
  }
  setting.values = {Scalar(text)};
  setting.is_array = false;
  return setting;
}

bool is_flag(const ConfigField& field) {
  return std::holds_alternative<bool*>(field.target) || std::holds_alternative<std::optional<bool>*>(field.target);
}

void apply(const ConfigField& field, const Setting& setting) {
  const auto* text = setting.values.empty() ? nullptr : std::get_if<std::string>(&setting.values[0]);
  if (text && text->empty() && !is_text(field)) reject(setting, "a value is missing");
  if (auto* const* list = std::get_if<std::vector<double>*>(&field.target)) {
    **list = checked_list(field, setting);
    return;
  }
  if (auto* const* list = std::get_if<std::vector<std::int64_t>*>(&field.target)) {
    **list = checked_integers(field, setting);
    return;
  }
  if (setting.is_array && !field.separator.empty()) return apply(field, joined(field, setting));
  if (setting.is_array) reject(setting, "expected one value, not an array (a sweep takes arrays in its [sweep] table)");
  if (is_flag(field)) {
    const auto* value = std::get_if<bool>(&setting.values[0]);
    if (!value) reject(setting, "must be true or false");
    if (auto* const* v = std::get_if<bool*>(&field.target))
      **v = *value;
    else
      *std::get<std::optional<bool>*>(field.target) = *value;
  } else if (auto* const* i = std::get_if<std::int64_t*>(&field.target)) {
    **i = checked_integer(field, setting);
  } else if (auto* const* o = std::get_if<std::optional<std::int64_t>*>(&field.target)) {
    **o = checked_integer(field, setting);
  } else if (auto* const* d = std::get_if<double*>(&field.target)) {
    **d = checked_number(field, setting, setting.values[0]);
  } else if (const auto* words = std::get_if<WordTarget>(&field.target)) {
    words->store(checked_text(field, setting));
  } else {
    *std::get<std::string*>(field.target) = checked_text(field, setting);
  }
}

bool names_a_file(const ConfigField& field) {
  return field.key == "data.path" || field.key == "init.from";
}

// A value as a config stores it, so that two spellings of one value make one run:
//   1. a value written as text where another type is wanted stays text in a file, but a bare word on the command line
//      may be text that looks like a number: data.path=2024 must work;
//   2. words are lower case, E8M3 is e8m3, but for names of files;
//   3. a whole number may be written as 1e3.
Setting adapt_type(const ConfigField& field, Setting setting) {
  const bool is_integer = std::holds_alternative<std::int64_t*>(field.target) ||
                          std::holds_alternative<std::vector<std::int64_t>*>(field.target) ||
                          std::holds_alternative<std::optional<std::int64_t>*>(field.target);
  if (setting.where.line == 0 && is_text(field) && !setting.is_array &&
      !std::holds_alternative<std::string>(setting.values[0]))
    setting.values[0] = setting.where.value;
  for (Scalar& value : setting.values) {
    if (auto* word = std::get_if<std::string>(&value); word && is_text(field) && !names_a_file(field))
      *word = lower_case(*word);
    const auto* real = std::get_if<double>(&value);
    if (real && is_integer && *real == std::floor(*real) && std::abs(*real) <= 9.2e18)
      value = static_cast<std::int64_t>(*real);
  }
  return setting;
}

const ConfigField& find_field(const std::vector<ConfigField>& fields, const Setting& setting) {
  for (const auto& field : fields)
    if (field.key == setting.key) return field;
  std::vector<std::string> keys;
  for (const auto& field : fields) keys.push_back(field.key);
  const std::string near = nearest_key(setting.key, keys);
  reject(setting, near.empty() ? "unknown key; `precipice config` lists all keys"
                               : fmt::format("unknown key; did you mean {}?", near));
}

}  // namespace

bool is_text(const ConfigField& field) {
  return std::holds_alternative<std::string*>(field.target) || std::holds_alternative<WordTarget>(field.target);
}

bool is_list(const ConfigField& field) {
  return std::holds_alternative<std::vector<double>*>(field.target) ||
         std::holds_alternative<std::vector<std::int64_t>*>(field.target);
}

std::string value_text(const ConfigField& field) {
  if (is_text(field)) return to_toml(Scalar(text_of(field)));
  return std::visit(
      [](const auto& target) -> std::string {
        using Type = std::remove_pointer_t<std::remove_cvref_t<decltype(target)>>;
        if constexpr (std::is_same_v<Type, WordTarget>) {
          return target.word();
        } else if constexpr (std::is_same_v<Type, std::vector<double>> ||
                             std::is_same_v<Type, std::vector<std::int64_t>>) {
          std::vector<std::string> parts;
          for (const auto v : *target) parts.push_back(to_toml(Scalar(v)));
          return fmt::format("[{}]", fmt::join(parts, ", "));
        } else if constexpr (std::is_same_v<Type, std::optional<std::int64_t>> ||
                             std::is_same_v<Type, std::optional<bool>>) {
          return *target ? to_toml(Scalar(**target)) : "";
        } else {
          return to_toml(Scalar(*target));
        }
      },
      field.target);
}

Setting checked_setting(const Setting& setting) {
  RunConfig scratch;
  const auto fields = config_fields(scratch);
  const ConfigField& field = find_field(fields, setting);
  Setting stored = adapt_type(field, setting);
  apply(field, stored);
  return stored;
}

SettingPlaces apply_settings(const std::vector<Setting>& settings, const std::vector<ConfigField>& fields) {
  SettingPlaces places;
  for (const auto& setting : settings) {
    const ConfigField& field = find_field(fields, setting);
    apply(field, adapt_type(field, setting));
    places[setting.key] = setting.where;
  }
  return places;
}

namespace {

std::string section_of(const std::string& key) {
  return key.find('.') == std::string::npos ? "" : key.substr(0, key.find('.'));
}

std::string toml_of(const std::vector<ConfigField>& fields, bool with_unwritten) {
  std::string text, section;
  for (const auto& field : fields) {
    const std::string value = value_text(field);
    if (value.empty()) continue;  // an optional that was not set
    if (value == field.unwritten && !with_unwritten) continue;
    if (section_of(field.key) != section) {
      section = section_of(field.key);
      text += fmt::format("\n[{}]\n", section);
    }
    const std::string name = section.empty() ? field.key : field.key.substr(section.size() + 1);
    text += fmt::format("{} = {}\n", name, value);
  }
  return text;
}

}  // namespace

std::string to_toml(const std::vector<ConfigField>& fields) {
  return toml_of(fields, false);
}

std::string to_toml(const RunConfig& config) {
  RunConfig copy = config;
  return to_toml(config_fields(copy));
}

std::vector<Setting> every_setting(const RunConfig& config) {
  RunConfig copy = config;
  return parse_settings(toml_of(config_fields(copy), true), "");
}

std::string run_id(const RunConfig& config) {
  return sha256_hex(to_toml(config)).substr(0, 10);
}

std::vector<ConfigKey> config_keys() {
  RunConfig defaults;
  std::vector<ConfigKey> keys;
  for (const auto& field : config_fields(defaults)) {
    const bool is_number = !is_flag(field) && !is_text(field);
    std::string allowed =
        is_number ? fmt::format("{} to {}", limit_text(field.minimum), limit_text(field.maximum)) : "";
    if (is_flag(field)) allowed = "true, false";
    if (!field.choices.empty()) allowed = spell_choices(field.choices, " ");
    keys.push_back({field.key, value_text(field), allowed, field.help});
  }
  return keys;
}

std::string config_reference() {
  std::string text =
      "# Configuration\n\n"
      "Every key of a config file, printed by `precipice config` from the declarations that also check it.\n"
      "A file is TOML; the same keys work on the command line as `key=value`. Unknown keys, wrong types, NaN and "
      "values\n"
      "outside the range are refused with file, line and key. `include = \"base.toml\"`, a path relative to the file, "
      "puts\n"
      "that file's settings before the own ones, which win; it has no `[sweep]`, and may include another file.\n";
  std::string section = "?";
  for (const ConfigKey& key : config_keys()) {
    if (section_of(key.name) != section) {
      section = section_of(key.name);
      text += fmt::format("\n## {}\n\n| key | default | allowed | meaning |\n| --- | --- | --- | --- |\n",
                          section.empty() ? "Run" : section);
    }
    std::string help;
    for (const char c : key.help) help += c == '|' ? "\\|" : std::string(1, c);
    text += fmt::format("| `{}` | {} | {} | {} |\n", key.name,
                        key.default_value.empty() ? "" : "`" + key.default_value + "`", key.allowed, help);
  }
  return text;
}

}  // namespace precipice
