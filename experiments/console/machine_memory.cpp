// SPDX-License-Identifier: Apache-2.0
#include "experiments/console/machine_memory.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>

namespace precipice {
namespace {

namespace fs = std::filesystem;

// A file of one number; nothing where it is missing or says "max".
std::optional<double> number_in(const fs::path& path) {
  std::ifstream file(path);
  double value = 0;
  return file >> value ? std::optional(value) : std::nullopt;
}

// The number after `name` in a file of lines "name number ...".
std::optional<double> number_after(const fs::path& path, const std::string& name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string word;
    double value = 0;
    if (words >> word && word == name && words >> value) return value;
  }
  return std::nullopt;
}

struct LimitFiles {
  const char *limit, *usage, *inactive;
};
constexpr LimitFiles kVersion2{"memory.max", "memory.current", "inactive_file"},
    kVersion1{"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"};

// What the group at `folder` and those above it, up to `top`, leave.
void apply_limits(fs::path folder, const fs::path& top, const LimitFiles& files, AvailableMemory& available) {
  for (;; folder = folder.parent_path()) {
    const auto limit = number_in(folder / files.limit), usage = number_in(folder / files.usage);
    if (limit && usage) {
      const double inactive = number_after(folder / "memory.stat", files.inactive).value_or(0);
      const double left = std::max(0.0, *limit - std::max(0.0, *usage - inactive));
      if (left < available.bytes) available = {left, (folder / files.limit).string()};
    }
    if (folder == top || !folder.has_relative_path()) return;
  }
}

}  // namespace

AvailableMemory available_memory(const fs::path& root) {
  AvailableMemory available{std::numeric_limits<double>::infinity(), ""};
  if (const auto kib = number_after(root / "proc/meminfo", "MemAvailable:"))
    available = {1024 * *kib, "MemAvailable of /proc/meminfo"};
  // Lines "hierarchy:controllers:path"; version 2 has no controllers. In a container the path may be the host's, and
  // then only the top folder is there.
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const fs::path path = fs::path(line.substr(second + 1)).relative_path();
    const bool is_version1 = ("," + controllers + ",").find(",memory,") != std::string::npos;
    if (!is_version1 && !controllers.empty()) continue;
    const fs::path top = is_version1 ? root / "sys/fs/cgroup/memory" : root / "sys/fs/cgroup";
    const fs::path folder = path.empty() ? top : top / path;
    apply_limits(fs::exists(folder) ? folder : top, top, is_version1 ? kVersion1 : kVersion2, available);
  }
  return available;
}

}  // namespace precipice
