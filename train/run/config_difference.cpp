// SPDX-License-Identifier: Apache-2.0
#include "train/run/config_difference.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "train/run/resolve_config.h"

namespace precipice {
namespace {

constexpr std::size_t kMaxNamed = 8;

std::string text_of(const Setting& setting) {
  if (!setting.is_array) return to_toml(setting.values.front());
  std::string text;
  for (const Scalar& value : setting.values) text += (text.empty() ? "" : ", ") + to_toml(value);
  return "[" + text + "]";
}

// Whether a config stays the same without this key, which then follows from the others.
bool is_implied(const RunConfig& config, const std::string& key) {
  std::vector<Setting> settings = every_setting(config);
  std::erase_if(settings, [&](const Setting& setting) { return setting.key == key; });
  try {
    return to_toml(resolve_config(settings)) == to_toml(config);
  } catch (const ConfigError&) {
    return false;
  }
}

}  // namespace

std::vector<ConfigDifference> config_differences(const RunConfig& there, const RunConfig& here) {
  if (to_toml(there) == to_toml(here)) return {};
  std::map<std::string, std::string> values;
  for (const Setting& setting : every_setting(there)) values[setting.key] = text_of(setting);
  std::vector<ConfigDifference> all, named;
  for (const Setting& setting : every_setting(here))
    if (values[setting.key] != text_of(setting)) all.push_back({setting.key, values[setting.key], text_of(setting)});
  for (const ConfigDifference& difference : all)
    if (!is_implied(there, difference.key) || !is_implied(here, difference.key)) named.push_back(difference);
  return named.empty() ? all : named;
}

std::string describe(const std::vector<ConfigDifference>& differences) {
  std::string text;
  for (std::size_t i = 0; i < std::min(differences.size(), kMaxNamed); ++i)
    text += fmt::format("{}{} is {} there and {} here", i == 0 ? "" : ", ", differences[i].key, differences[i].there,
                        differences[i].here);
  if (differences.size() > kMaxNamed) text += fmt::format(", and {} more keys differ", differences.size() - kMaxNamed);
  return text;
}

}  // namespace precipice
