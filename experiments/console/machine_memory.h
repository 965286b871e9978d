// SPDX-License-Identifier: Apache-2.0
// How much memory this process may still take: what the kernel can give (MemAvailable of /proc/meminfo), or less where
// a control group of the process or one above it has a limit (version 2: memory.max, version 1:
// memory.limit_in_bytes), of which what is used counts but for inactive file pages, which the kernel takes back.
#pragma once

#include <filesystem>
#include <string>

namespace precipice {

struct AvailableMemory {
  double bytes = 0;    // infinite where nothing is known
  std::string source;  // "MemAvailable", or the file of the limit
};

// `root`: where the proc and sys file systems lie.
AvailableMemory available_memory(const std::filesystem::path& root = "/");

}  // namespace precipice
