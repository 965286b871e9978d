// SPDX-License-Identifier: Apache-2.0
// Settings of a sweep file, where an element of an array in the [sweep] table may carry a label for people:
//   "precision.recipe" = [{value = "mxfp8:element=e5m3,block=16", label = "E5M3 by 16"}, "bf16"]
// and where several keys may move together, under any name of one word:
//   clamp = [{label = "outer end 8", "precision.x" = "e7m7:bias=124", "precision.w" = "e7m7:bias=124"},
//            {label = "none", "precision.x" = "bf16", "precision.w" = "bf16"}]
// These are linked axes: their first values are one setting, their second ones another. The label goes with the first key.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "train/config/settings.h"

namespace precipice {

struct LabelledSettings {
  std::vector<Setting> settings;                           // the values alone, as read_settings has them
  std::map<std::string, std::vector<std::string>> labels;  // by key ("sweep.seed"): one per element, "" where none
  std::vector<std::vector<std::string>> links{};           // keys ("sweep.precision.x") whose arrays move together
  std::vector<std::string> included{};                     // files whose settings are among these (settings.h)
};

// As read_with_includes and parse_settings, which refuse labels. Throws ConfigError.
LabelledSettings read_sweep_settings(const std::filesystem::path& path);
LabelledSettings parse_sweep_settings(const std::string& toml_text, const std::string& file_name);

}  // namespace precipice
