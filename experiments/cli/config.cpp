// SPDX-License-Identifier: Apache-2.0
// precipice config: the keys of config files.
#include <fmt/format.h>

#include <memory>

#include "experiments/cli/commands.h"
#include "experiments/console/console.h"
#include "precision/base/spellings.h"
#include "train/config/nearest_key.h"
#include "train/config/run_config.h"

namespace precipice {
namespace {

bool holds(const ConfigKey& key, const std::string& lower) {
  return lower_case(key.name).find(lower) != std::string::npos || lower_case(key.help).find(lower) != std::string::npos;
}

int print_matching(const std::string& filter) {
  std::string text;
  std::vector<std::string> names;
  for (const ConfigKey& key : config_keys()) {
    names.push_back(key.name);
    if (!holds(key, lower_case(filter))) continue;
    text += fmt::format("{}{}{}\n    {}\n", key.name, key.default_value.empty() ? "" : " = " + key.default_value,
                        key.allowed.empty() ? "" : "   (" + key.allowed + ")", key.help);
  }
  if (text.empty()) {
    const std::string near = nearest_key(filter, names);
    throw ConfigError({kCommandLine, 0, "FILTER", filter},
                      "no key and no meaning holds this" + (near.empty() ? "" : "; did you mean " + near + "?"));
  }
  print_result(text);
  return kSuccess;
}

}  // namespace

Command add_config(CLI::App& app) {
  auto filter = std::make_shared<std::string>();
  CLI::App* parser = app.add_subcommand("config", "Print every config key with default, limits and meaning");
  parser->add_option("FILTER", *filter, "Only the keys whose name or meaning holds this text");
  parser->footer("Examples:\n  precipice config learning\n  precipice config > docs/CONFIG.md");
  return {parser, [filter] {
            if (!filter->empty()) return print_matching(*filter);
            print_result(config_reference());
            return static_cast<int>(kSuccess);
          }};
}

}  // namespace precipice
