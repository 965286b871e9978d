// SPDX-License-Identifier: Apache-2.0
#include "train/config/toml_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <utility>
#include <variant>

#include "metrics/files/files.h"
#include "precision/base/number_text.h"

namespace precipice {
namespace {

std::string source_text(const toml::node& node) {
  std::ostringstream out;
  if (const auto* v = node.as_string()) return '"' + v->get() + '"';
  node.visit([&](const auto& typed) { out << typed; });
  return out.str();
}

// The dots of the file's keys, before a parser sees them.
void check_depth(const std::string& text, const std::string& file) {
  std::istringstream lines(text);
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    const std::string key = line.substr(0, line.find_first_of("=#\"'"));
    if (std::count(key.begin(), key.end(), '.') > kMaxKeyDepth)
      throw ConfigError({file, number, "", ""}, fmt::format("keys are nested at most {} deep", kMaxKeyDepth));
  }
}

}  // namespace

TomlFile::TomlFile(std::string text, std::string name) : text_(std::move(text)), name_(std::move(name)) {
  check_depth(text_, name_);
  lines_.push_back(0);
  for (std::size_t end = text_.find('\n'); end != std::string::npos; end = text_.find('\n', end + 1))
    lines_.push_back(end + 1);
  try {
    root_ = toml::parse(text_, name_);
  } catch (const toml::parse_error& error) {
    throw ConfigError({name_, static_cast<int>(error.source().begin.line), "", ""},
                      "not TOML: " + std::string(error.description()));
  }
}

std::string read_toml_text(const std::filesystem::path& path) {
  try {
    return read_file(path, kMaxTomlBytes);
  } catch (const DataError& error) {
    throw ConfigError(error.what());
  }
}

TomlFile TomlFile::read(const std::filesystem::path& path) {
  return {read_toml_text(path), path.string()};
}

ConfigError::Where TomlFile::place_of(const toml::node& node, const std::string& key) const {
  return {name_, static_cast<int>(node.source().begin.line), key, source_text(node)};
}

// From a position on, to the end of its line. Lines and columns count from 1, columns in characters of UTF-8.
std::string_view TomlFile::source_from(const toml::source_position& position) const {
  if (position.line < 1 || position.line > lines_.size()) return {};
  std::string_view line = std::string_view(text_).substr(lines_[position.line - 1]);
  line = line.substr(0, line.find('\n'));
  for (toml::source_index column = 1; column < position.column && !line.empty(); ++column) {
    line.remove_prefix(1);
    while (!line.empty() && (static_cast<unsigned char>(line.front()) & 0xc0) == 0x80) line.remove_prefix(1);
  }
  return line;
}

Scalar TomlFile::scalar(const toml::node& node, const ConfigError::Where& where) const {
  if (const auto* v = node.as_boolean()) return v->get();
  if (const auto* v = node.as_integer()) return v->get();
  if (const auto* v = node.as_string()) return v->get();
  if (const auto* v = node.as_floating_point()) {
    if (std::isnan(v->get())) throw ConfigError(where, "NaN is no setting");
    if (const std::string_view text = source_from(node.source().begin); is_lost_to_zero(text, v->get())) {
      ConfigError::Where shown = where;
      shown.value = text.substr(0, text.find_first_of(" \t,]#}"));
      throw ConfigError(shown, kLostToZero);
    }
    return v->get();
  }
  throw ConfigError(where, "expected a number, true, false, text, or an array of these");
}

TomlTable::TomlTable(const TomlFile& file, const toml::table& table, std::string name,
                     const std::vector<std::string>& keys)
    : file_(file), table_(table), name_(std::move(name)) {
  for (const auto& [key_node, node] : table_) {
    const std::string key(key_node.str());
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) continue;
    const std::string near = nearest_word(key, keys);
    fail(key, fmt::format("is no key of a {}{}; the keys are {}", name_,
                          near.empty() ? "" : fmt::format(" (did you mean {}?)", near), fmt::join(keys, ", ")));
  }
}

void TomlTable::fail(const std::string& key, const std::string& problem) const {
  const std::string full = name_ + "." + key;
  const toml::node* there = node(key);
  throw ConfigError(
      there != nullptr ? file_.place_of(*there, full) : ConfigError::Where{file_.name(), line(), full, ""}, problem);
}

const toml::node& TomlTable::present(const std::string& key) const {
  const toml::node* there = node(key);
  if (there == nullptr) fail(key, "is missing");
  return *there;
}

std::string TomlTable::text(const std::string& key) const {
  const auto* value = present(key).as_string();
  if (value == nullptr || value->get().empty()) fail(key, "must be text");
  return value->get();
}

double TomlTable::checked_number(const std::string& key, const toml::node& node) const {
  const Scalar value = file_.scalar(node, file_.place_of(node, name_ + "." + key));
  const auto* whole = std::get_if<std::int64_t>(&value);
  return whole != nullptr ? static_cast<double>(*whole) : std::get<double>(value);
}

double TomlTable::number(const std::string& key, double low, double high) const {
  const std::string allowed = fmt::format("must be a number from {} to {}", low, high);
  if (!present(key).is_number()) fail(key, allowed);
  const double value = checked_number(key, *node(key));
  if (!(value >= low && value <= high)) fail(key, allowed);
  return value;
}

std::int64_t TomlTable::whole(const std::string& key, std::int64_t low, std::int64_t high) const {
  const auto* value = present(key).as_integer();
  if (value == nullptr || value->get() < low || value->get() > high)
    fail(key, fmt::format("must be a whole number from {} to {}", low, high));
  return value->get();
}

bool TomlTable::flag(const std::string& key) const {
  const auto* value = present(key).as_boolean();
  if (value == nullptr) fail(key, "must be true or false");
  return value->get();
}

std::vector<double> TomlTable::numbers(const std::string& key) const {
  const auto* array = present(key).as_array();
  std::vector<double> values;
  if (array != nullptr)
    for (const toml::node& element : *array)
      if (element.is_number()) values.push_back(checked_number(key, element));
  if (array == nullptr || values.size() != array->size()) fail(key, "must be an array of numbers");
  return values;
}

}  // namespace precipice
