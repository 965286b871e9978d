// SPDX-License-Identifier: Apache-2.0
// Data files for tests, configs that read them, and what an error says.
#pragma once

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "precision/base/check.h"
#include "train/config/run_config.h"
#include "train/data/tokens.h"

namespace precipice {

inline void write_bytes(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

inline std::string uint16_bytes(const std::vector<int>& tokens) {
  std::string bytes;
  for (const int token : tokens) {
    bytes += static_cast<char>(token & 0xff);
    bytes += static_cast<char>(token >> 8);
  }
  return bytes;
}

// 0, 1, 2, ...: each token is its own position, so a batch shows where it was taken from.
inline std::string counting_tokens(int count) {
  std::vector<int> tokens;
  for (int i = 0; i < count; ++i) tokens.push_back(i);
  return uint16_bytes(tokens);
}

inline RunConfig data_config(const std::string& source, const std::filesystem::path& path = {}) {
  RunConfig config;
  config.model.context = 8;
  config.train.batch = 4;
  config.train.steps = 10;
  config.train.eval_batches = 3;
  config.data.source = parse_spelling("source", source, kDataSources);
  config.data.path = path.string();
  config.data.vocabulary = source == "synthetic" ? 64 : 65536;
  config.data.seed = 0;
  return config;
}

// The DataError's text, or "" when there is none.
inline std::string data_error(const std::function<void()>& action) {
  try {
    action();
  } catch (const DataError& error) {
    return error.what();
  }
  return "";
}

inline bool has_parts(const std::string& text, const std::vector<std::string>& parts) {
  for (const std::string& part : parts)
    if (text.find(part) == std::string::npos) return false;
  return text.find('\n') == std::string::npos;
}

}  // namespace precipice
