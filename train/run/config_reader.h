// SPDX-License-Identifier: Apache-2.0
// The configs of many runs from their config.toml. Those of one sweep differ in a few lines, and to parse and resolve all of
// a file takes ten times as long as to open it. So only the lines that differ from the file before are parsed:
//   1. Lines are compared in pairs. Pairs that differ are applied to the config of the file before, as key = value.
//   2. What follows from other keys is put in and combinations are checked, as for any config.
//   3. The config is written as TOML. Where that is the file's text, the config is the file's, since a config's text reads
//      back to the same config; where it is not, or anything above was refused, the file is read whole.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "train/config/run_config.h"

namespace precipice {

class ConfigReader {
 public:
  // As resolve_config(read_settings(file)). Throws ConfigError.
  RunConfig read(const std::filesystem::path& file);

 private:
  bool follow(const std::string& text, const std::string& name);

  // The file before, or "" where its text is not what its config is written as.
  std::string text_;
  std::unique_ptr<RunConfig> config_;
  std::vector<ConfigField> fields_;  // of config_
};

}  // namespace precipice
