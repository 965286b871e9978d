// SPDX-License-Identifier: Apache-2.0
// The names of a bundle's entries (bundle.h), for reading and writing.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "metrics/files/run_files.h"

namespace precipice {

inline constexpr std::string_view kBundleHead = "precipice-bundle";  // the first entry
inline constexpr std::string_view kBundleWords =
    "precipice bundle ";  // before the version, in that entry and the comment
inline constexpr std::string_view kSumsFolder = "SHA256SUMS/";
inline constexpr std::size_t kHexDigits = 64;  // of a SHA-256

inline std::string sums_name(std::string_view id) {
  return std::string(kSumsFolder) + std::string(id);
}

// The archive's comment for a list of entries.
std::string bundle_comment(std::string_view list);

struct BundleName {
  std::string id, file;  // file: "run.h5", "ckpt/step_00000400.ckpt", "ckpt/"
  bool is_sums = false;  // SHA256SUMS/<id>
};

// Nothing for a name that is none of a run's: it leads nowhere but into the run's directory.
inline std::optional<BundleName> parse_bundle_name(std::string_view name) {
  if (name.starts_with(kSumsFolder)) {
    const std::string_view id = name.substr(kSumsFolder.size());
    return is_run_id(id) ? std::optional(BundleName{std::string(id), "", true}) : std::nullopt;
  }
  const std::size_t slash = name.find('/');
  if (slash == std::string_view::npos || !is_run_id(name.substr(0, slash))) return std::nullopt;
  const std::string_view file = name.substr(slash + 1);
  if (file.empty() || file.find('\0') != std::string_view::npos) return std::nullopt;
  for (std::size_t begin = 0; begin < file.size();) {
    const std::size_t end = std::min(file.find('/', begin), file.size());
    const std::string_view part = file.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") return std::nullopt;
    begin = end + 1;
  }
  return BundleName{std::string(name.substr(0, slash)), std::string(file), false};
}

}  // namespace precipice
