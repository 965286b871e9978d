// SPDX-License-Identifier: Apache-2.0
#include "experiments/console/machine_memory.h"

#include <cmath>

#include "tests/support/catch.h"
#include "tests/support/files.h"

using namespace precipice;

namespace {

void put(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  write_text(path, text);
}

}  // namespace

TEST_CASE("available memory is what the kernel says, or what a control group leaves of its limit") {
  const TemporaryDirectory root;
  CHECK(std::isinf(available_memory(root.path()).bytes));
  put(root.path() / "proc/meminfo", "MemTotal:  8000 kB\nMemFree:  1 kB\nMemAvailable:   4000 kB\n");
  CHECK(available_memory(root.path()).bytes == 4000 * 1024);

  SECTION("version 2") {
    put(root.path() / "proc/self/cgroup", "0::/user/job\n");
    const auto group = root.path() / "sys/fs/cgroup/user/job";
    put(group / "memory.max", "max\n");
    put(group / "memory.current", "1000\n");
    CHECK(available_memory(root.path()).bytes == 4000 * 1024);
    put(group / "memory.max", "2000000\n");
    CHECK(available_memory(root.path()).bytes == 1999000);
    put(group / "memory.stat", "anon 100\ninactive_file 900\nactive_file 5\n");
    CHECK(available_memory(root.path()).bytes == 1999900);
    CHECK(available_memory(root.path()).source == (group / "memory.max").string());
    put(group.parent_path() / "memory.max", "500000\n");
    put(group.parent_path() / "memory.current", "600000\n");
    CHECK(available_memory(root.path()).bytes == 0);
  }
  SECTION("version 1, and a container that does not show its own group") {
    put(root.path() / "proc/self/cgroup", "4:memory:/docker/abc\n3:cpuset:/\n0::/\n");
    const auto top = root.path() / "sys/fs/cgroup/memory";
    put(top / "memory.limit_in_bytes", "3000000\n");
    put(top / "memory.usage_in_bytes", "1000000\n");
    put(top / "memory.stat", "inactive_file 7\ntotal_inactive_file 400000\n");
    CHECK(available_memory(root.path()).bytes == 2400000);
    // What is no limit at all is larger than any machine.
    put(top / "memory.limit_in_bytes", "9223372036854771712\n");
    CHECK(available_memory(root.path()).bytes == 4000 * 1024);
  }
}
