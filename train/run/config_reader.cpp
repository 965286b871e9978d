// SPDX-License-Identifier: Apache-2.0
#include "train/run/config_reader.h"

#include <optional>
#include <string_view>

#include "train/config/toml_file.h"
#include "train/run/resolve_config.h"

namespace precipice {
namespace {

constexpr int kMostChanges = 32;

std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

// The lines of `there` that differ from those of `here`, each with the table in which it stands ("optimizer.lr = 0.1").
// Nothing where that cannot be said line by line.
std::optional<std::string> changed_lines(std::string_view here, std::string_view there) {
  std::string changes;
  std::string_view table;
  for (int count = 0; !here.empty() && !there.empty();) {
    const std::string_view before = take_line(here), line = take_line(there);
    if (before.starts_with('[')) table = before.substr(1, before.find(']') - 1);
    if (before == line) continue;
    if (before.starts_with('[') || line.starts_with('[') || ++count > kMostChanges) return std::nullopt;
    if (!table.empty()) changes.append(table).append(".");
    changes.append(line).append("\n");
  }
  if (!here.empty() || !there.empty()) return std::nullopt;
  return changes;
}

}  // namespace

// Where it fails, config_ may be of no file at all.
bool ConfigReader::follow(const std::string& text, const std::string& name) {
  if (text_.empty()) return false;
  const std::optional<std::string> changes = changed_lines(text_, text);
  text_.clear();
  if (!changes) return false;
  try {
    complete_config(*config_, fields_, apply_settings(parse_settings(*changes, name), fields_));
  } catch (const ConfigError&) {
    return false;  // read whole, the file says at which line
  }
  if (to_toml(fields_) != text) return false;
  text_ = text;
  return true;
}

RunConfig ConfigReader::read(const std::filesystem::path& file) {
  std::string text = read_toml_text(file);
  if (follow(text, file.string())) return *config_;
  config_ = std::make_unique<RunConfig>(resolve_config(parse_settings(text, file.string())));
  fields_ = config_fields(*config_);
  if (to_toml(fields_) == text) text_ = std::move(text);
  return *config_;
}

}  // namespace precipice
