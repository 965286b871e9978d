// SPDX-License-Identifier: Apache-2.0
#include "train/run/run_layout.h"

#include "metrics/log/files.h"
#include "train/config/run_config.h"
#include "train/run/resolve_config.h"

namespace precipice {

std::vector<std::string> run_ids_of(const std::filesystem::path& config_file) {
  constexpr std::uint64_t kMaxBytes = 1 << 20;
  std::vector<std::string> ids{run_id(resolve_config(read_settings(config_file)))};
  const std::string of_text = sha256_hex(read_file(config_file, kMaxBytes)).substr(0, ids.front().size());
  if (of_text != ids.front()) ids.push_back(of_text);
  return ids;
}

}  // namespace precipice
