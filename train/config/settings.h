// SPDX-License-Identifier: Apache-2.0
// Settings: dotted key, typed value, and where it was written, from a TOML file or from key=value on the command line.
// Reading is strict: duplicate keys, anything but a regular file, files over 1 MiB, NaN and bad UTF-8 are refused with
// file, line and key. What a key means is run_config.h's business.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <variant>
#include <vector>

#include "precision/base/check.h"

namespace precipice {

using Scalar = std::variant<bool, std::int64_t, double, std::string>;

struct Setting {
  std::string key;             // "optimizer.lr"
  std::vector<Scalar> values;  // one element, or an array's
  bool is_array = false;
  ConfigError::Where where;  // file, line, key, value as written
};

// All leaves of a TOML file in the order of their lines. Throws ConfigError.
std::vector<Setting> read_settings(const std::filesystem::path& path);

// The same, with the settings of the file that `include = "base.toml"` names, a path relative to the file that says so, before
// the others, which win over them. An included file may include another one; it has no [sweep] and no [[claim]]. What is read
// from a run's directory includes nothing: its config.toml is resolved.
struct IncludedSettings {
  std::vector<Setting> settings;
  std::vector<std::string> included;  // the files, the one that is named first last
};
IncludedSettings read_with_includes(const std::filesystem::path& path);

std::vector<Setting> parse_settings(const std::string& toml_text, const std::string& file_name);

// "key=value". The value is one TOML value (number, true, "text", [1, 2]) or, where it is none, a bare string:
// data.path=../a.txt needs no quotes. `source` says in errors where the text stood.
Setting parse_assignment(const std::string& text, const std::string& source = "");
// One value as parse_assignment reads it.
std::vector<Scalar> parse_value(const std::string& text, bool& is_array, const ConfigError::Where& where);

std::string to_toml(const Scalar& value);  // shortest text that reads back to the same value

}  // namespace precipice
