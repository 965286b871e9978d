// SPDX-License-Identifier: Apache-2.0
// The strict reader of TOML files: settings (settings.h) and tables whose keys are known (experiments/claims/claim.h).
// Duplicate keys, anything but a regular file, files over 1 MiB, keys nested too deep, NaN, numbers that would read as
// zero and bad UTF-8 are refused with file, line, key and value.
#pragma once

#include <toml++/toml.h>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "precision/base/check.h"
#include "precision/base/spellings.h"
#include "train/config/settings.h"

namespace precipice {

inline constexpr std::uint64_t kMaxTomlBytes = 1 << 20;
inline constexpr int kMaxKeyDepth = 8;  // deep dotted keys take a parser quadratic time

// The text of a TOML file, not parsed. Throws ConfigError.
std::string read_toml_text(const std::filesystem::path& path);

class TomlFile {
 public:
  // `name`: what errors call the file. Throws ConfigError.
  TomlFile(std::string text, std::string name);
  static TomlFile read(const std::filesystem::path& path);

  const toml::table& root() const { return root_; }
  const std::string& name() const { return name_; }
  // What an error says of a node: file, line, the key that it stands under, the value as written.
  ConfigError::Where place_of(const toml::node& node, const std::string& key) const;
  // A number, a flag or a text. What cannot be one is refused at `where`.
  Scalar scalar(const toml::node& node, const ConfigError::Where& where) const;

 private:
  std::string_view source_from(const toml::source_position& position) const;

  std::string text_, name_;
  std::vector<std::size_t> lines_;  // where they begin
  toml::table root_;
};

// One table of a file, with the keys that it may have; errors call them "name.key". File and table outlive this.
class TomlTable {
 public:
  // Throws ConfigError for any other key, with the nearest one.
  TomlTable(const TomlFile& file, const toml::table& table, std::string name, const std::vector<std::string>& keys);

  [[noreturn]] void fail(const std::string& key, const std::string& problem) const;

  int line() const { return static_cast<int>(table_.source().begin.line); }
  const toml::table& table() const { return table_; }
  bool has(const std::string& key) const { return node(key) != nullptr; }
  const toml::node* node(const std::string& key) const { return table_.get(key); }  // null: it is not there

  // Throw ConfigError where the key is missing or its value is of another kind or out of range.
  std::string text(const std::string& key) const;  // not empty
  double number(const std::string& key, double low, double high) const;
  std::int64_t whole(const std::string& key, std::int64_t low, std::int64_t high) const;
  bool flag(const std::string& key) const;
  std::vector<double> numbers(const std::string& key) const;  // of an array
  template <class Value, std::size_t N>
  Value word(const std::string& key, const Spellings<Value, N>& words) const {
    try {
      return parse_spelling(key, text(key), words);
    } catch (const ConfigError& error) {
      fail(key, error.what());
    }
  }

 private:
  const toml::node& present(const std::string& key) const;
  double checked_number(const std::string& key, const toml::node& node) const;  // of a number, whole or not

  const TomlFile& file_;
  const toml::table& table_;
  std::string name_;
};

}  // namespace precipice
