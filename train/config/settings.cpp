// SPDX-License-Identifier: Apache-2.0
#include "train/config/settings.h"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <algorithm>
#include <iterator>
#include <optional>
#include <set>
#include <sstream>
#include <utility>

#include "metrics/files/files.h"
#include "precision/base/number_text.h"
#include "train/config/labelled_settings.h"
#include "train/config/toml_file.h"

namespace precipice {
namespace {

constexpr std::size_t kMaxLabelBytes = 100;
constexpr const char* kSweepTable = "sweep.";
constexpr const char* kClaimTables = "claim";
constexpr const char* kInclude = "include";
constexpr std::size_t kMaxIncludes = 4;  // files deep

std::string label_text(const toml::node& name, const ConfigError::Where& where) {
  const std::string label = name.value_exact<std::string>().value_or("");
  const bool control =
      std::any_of(label.begin(), label.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (label.find_first_not_of(' ') == std::string::npos || control || label.size() > kMaxLabelBytes)
    throw ConfigError(where,
                      fmt::format("a label is text of 1 to {} bytes without control characters", kMaxLabelBytes));
  return label;
}

// The value of {value = ..., label = "..."}.
Scalar labelled_scalar(const toml::table& table, const ConfigError::Where& where, const TomlFile& file,
                       std::string& label) {
  const toml::node *value = table.get("value"), *name = table.get("label");
  if (!value || !name || table.size() != 2)
    throw ConfigError(where,
                      "a value with a label is {value = ..., label = \"...\"}, with these two keys and no others");
  label = label_text(*name, where);
  return file.scalar(*value, where);
}

// [{label = "...", KEY = ..., KEY = ...}, ...]: several keys that move together.
bool is_linked(const toml::array& array) {
  const auto* first = array.empty() ? nullptr : array[0].as_table();
  return first != nullptr && first->get("value") == nullptr;
}

// The keys of a table but its label, in the order in which they are written.
std::vector<std::string> keys_of(const toml::table& table) {
  std::vector<std::pair<toml::source_position, std::string>> places;
  for (const auto& [key, node] : table)
    if (key.str() != "label") places.emplace_back(key.source().begin, std::string(key.str()));
  std::sort(places.begin(), places.end());
  std::vector<std::string> keys;
  for (auto& [place, key] : places) keys.push_back(std::move(key));
  return keys;
}

// One setting per key. The labels go with the first key whose values all differ: by a value its label is found again.
void collect_linked(const toml::array& array, const ConfigError::Where& where, const TomlFile& file,
                    std::vector<Setting>& settings, LabelledSettings& words) {
  std::vector<std::string> link, names(array.size());
  std::vector<Setting> linked;
  for (const std::string& key : keys_of(*array[0].as_table())) {
    link.push_back(kSweepTable + key);
    linked.push_back({link.back(), {}, true, where});
    linked.back().where.key = link.back();
  }
  for (std::size_t i = 0; i < array.size(); ++i) {
    const auto* table = array[i].as_table();
    const toml::node* name = table ? table->get("label") : nullptr;
    if (!name || link.size() < 2 || table->size() != link.size() + 1)
      throw ConfigError(where,
                        "linked values are {label = \"...\", \"KEY\" = ..., \"KEY\" = ...}, with the same keys in all");
    names[i] = label_text(*name, where);
    for (Setting& setting : linked) {
      const toml::node* value = table->get(setting.key.substr(std::string(kSweepTable).size()));
      if (!value) throw ConfigError(where, fmt::format("\"{}\" has no {}", names[i], setting.key));
      setting.values.push_back(file.scalar(*value, setting.where));
    }
  }
  const auto all_differ = [](const Setting& setting) {
    return std::set<Scalar>(setting.values.begin(), setting.values.end()).size() == setting.values.size();
  };
  const auto named = std::find_if(linked.begin(), linked.end(), all_differ);
  if (named == linked.end())
    throw ConfigError(where, "of linked values one key has to have another value for each label");
  words.labels[named->key] = std::move(names);
  words.links.push_back(link);
  settings.insert(settings.end(), linked.begin(), linked.end());
}

Setting array_setting(const toml::array& array, const std::string& key, const ConfigError::Where& where,
                      const TomlFile& file, LabelledSettings* words) {
  Setting setting{key, {}, true, where};
  std::vector<std::string> names(array.size());
  for (std::size_t i = 0; i < array.size(); ++i) {
    const auto* table = words && key.starts_with(kSweepTable) ? array[i].as_table() : nullptr;
    setting.values.push_back(table ? labelled_scalar(*table, where, file, names[i]) : file.scalar(array[i], where));
  }
  if (std::any_of(names.begin(), names.end(), [](const std::string& name) { return !name.empty(); }))
    words->labels[key] = std::move(names);
  return setting;
}

void collect(const toml::table& table, const std::string& prefix, const TomlFile& file, int depth,
             std::vector<Setting>& settings, LabelledSettings* words) {
  for (const auto& [name, node] : table) {
    const std::string key = prefix + std::string(name.str());
    // A sweep file's claims are data of their own (experiments/claims/claim.h).
    if (words != nullptr && depth == 0 && key == kClaimTables && node.is_array_of_tables()) continue;
    ConfigError::Where where{file.name(), static_cast<int>(node.source().begin.line), key, ""};
    if (depth > kMaxKeyDepth) throw ConfigError(where, fmt::format("keys are nested at most {} deep", kMaxKeyDepth));
    if (const auto* inner = node.as_table()) {
      collect(*inner, key + ".", file, depth + 1, settings, words);
      continue;
    }
    if (words != nullptr && key.starts_with(kSweepTable) && node.is_array() && is_linked(*node.as_array())) {
      collect_linked(*node.as_array(), where, file, settings, *words);
      continue;
    }
    where = file.place_of(node, key);
    const auto* array = node.as_array();
    settings.push_back(array ? array_setting(*array, key, where, file, words)
                             : Setting{key, {file.scalar(node, where)}, false, where});
  }
}

// `words`: null where none are allowed.
std::vector<Setting> settings_of(const TomlFile& file, LabelledSettings* words) {
  std::vector<Setting> settings;
  collect(file.root(), "", file, 0, settings, words);
  std::stable_sort(settings.begin(), settings.end(),
                   [](const Setting& a, const Setting& b) { return a.where.line < b.where.line; });
  return settings;
}

LabelledSettings sweep_settings_of(const TomlFile& file) {
  LabelledSettings read;
  read.settings = settings_of(file, &read);
  return read;
}

// The path that `include` has, which is taken out of the settings; nothing where there is none.
std::optional<Setting> take_include(std::vector<Setting>& settings) {
  const auto found =
      std::find_if(settings.begin(), settings.end(), [](const Setting& setting) { return setting.key == kInclude; });
  if (found == settings.end()) return std::nullopt;
  Setting include = *found;
  settings.erase(found);
  const auto* name = std::get_if<std::string>(&include.values.front());
  if (include.is_array || name == nullptr || name->empty())
    throw ConfigError(include.where, "expected the path of one TOML file, relative to this one");
  return include;
}

std::vector<Setting> base_settings(const std::filesystem::path& path, const Setting& include) {
  std::vector<Setting> settings;
  try {
    settings = settings_of(TomlFile(read_file(path, kMaxTomlBytes), path.string()), nullptr);
  } catch (const DataError& error) {
    throw ConfigError(include.where, error.what());
  }
  for (const Setting& setting : settings)
    if (setting.key.starts_with(kSweepTable) || setting.key.starts_with(kClaimTables + std::string(".")))
      throw ConfigError(setting.where, "an included file has settings alone: no [sweep] and no [[claim]]");
  return settings;
}

// Puts what `include` names before `settings`, which win over it. `above`: the files that lead here. Returns all files that
// were included.
std::vector<std::string> include_into(std::vector<Setting>& settings, const std::filesystem::path& path,
                                      std::vector<std::filesystem::path> above) {
  const std::optional<Setting> include = take_include(settings);
  if (!include) return {};
  const std::filesystem::path base = path.parent_path() / std::get<std::string>(include->values.front());
  above.push_back(std::filesystem::weakly_canonical(path));
  if (std::find(above.begin(), above.end(), std::filesystem::weakly_canonical(base)) != above.end())
    throw ConfigError(include->where, "files include each other in a circle");
  if (above.size() > kMaxIncludes)
    throw ConfigError(include->where, fmt::format("files include each other at most {} deep", kMaxIncludes));
  std::vector<Setting> below = base_settings(base, *include);
  std::vector<std::string> files = include_into(below, base, std::move(above));
  files.push_back(base.lexically_normal().string());
  std::set<std::string> own;
  for (const Setting& setting : settings)  // an axis says what its key is, too
    own.insert(setting.key.starts_with(kSweepTable) ? setting.key.substr(std::string(kSweepTable).size())
                                                    : setting.key);
  std::erase_if(below, [&](const Setting& setting) { return own.contains(setting.key); });
  settings.insert(settings.begin(), std::make_move_iterator(below.begin()), std::make_move_iterator(below.end()));
  return files;
}

}  // namespace

std::vector<Setting> parse_settings(const std::string& toml_text, const std::string& file_name) {
  return settings_of(TomlFile(toml_text, file_name), nullptr);
}

std::vector<Setting> read_settings(const std::filesystem::path& path) {
  return settings_of(TomlFile::read(path), nullptr);
}

LabelledSettings parse_sweep_settings(const std::string& toml_text, const std::string& file_name) {
  return sweep_settings_of(TomlFile(toml_text, file_name));
}

LabelledSettings read_sweep_settings(const std::filesystem::path& path) {
  LabelledSettings read = sweep_settings_of(TomlFile::read(path));
  read.included = include_into(read.settings, path, {});
  return read;
}

IncludedSettings read_with_includes(const std::filesystem::path& path) {
  IncludedSettings read{read_settings(path), {}};
  read.included = include_into(read.settings, path, {});
  return read;
}

std::vector<Scalar> parse_value(const std::string& text, bool& is_array, const ConfigError::Where& where) {
  is_array = false;
  // A line break would let a value smuggle in further keys.
  if (text.find_first_of("\n\r") != std::string::npos) throw ConfigError(where, "one value, on one line");
  if (text.empty()) return {std::string()};  // what may be empty is the key's business
  std::vector<Setting> parsed;
  try {
    parsed = parse_settings("value = " + text, "");
  } catch (const ConfigError& error) {
    // Quotes, brackets, NaN or a number too small announce TOML: what was meant as such must not become a bare string.
    if (error.problem() == kLostToZero || text.find_first_of("\"'[]{}") != std::string::npos ||
        text.starts_with("nan") || text.ends_with("nan"))
      throw ConfigError(where, error.problem());
    return {text};
  }
  if (parsed.size() != 1 || parsed[0].key != "value") throw ConfigError(where, "one value, not a table");
  is_array = parsed[0].is_array;
  return parsed[0].values;
}

Setting parse_assignment(const std::string& text, const std::string& source) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) throw ConfigError({source, 0, text, ""}, "expected key=value");
  Setting setting;
  setting.key = text.substr(0, equals);
  setting.where = {source, 0, setting.key, text.substr(equals + 1)};
  setting.values = parse_value(setting.where.value, setting.is_array, setting.where);
  return setting;
}

std::string to_toml(const Scalar& value) {
  if (const auto* v = std::get_if<bool>(&value)) return *v ? "true" : "false";
  if (const auto* v = std::get_if<std::int64_t>(&value)) return fmt::format("{}", *v);
  if (const auto* v = std::get_if<double>(&value)) {
    const std::string text = fmt::format("{}", *v);
    // "5" would read back as an integer.
    return text.find_first_of(".einf") == std::string::npos ? text + ".0" : text;
  }
  const auto& text = std::get<std::string>(value);
  // What the library makes of plain text, without its streams: a sweep writes a hundred values for each run.
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _-+.,:;=/*()%<>~";
  if (text.find_first_not_of(kPlain) == std::string::npos) return "'" + text + "'";
  std::ostringstream out;
  out << toml::value<std::string>(text);
  return out.str();
}

}  // namespace precipice
