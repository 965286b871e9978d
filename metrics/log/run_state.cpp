// SPDX-License-Identifier: Apache-2.0
// Whether a run said to be running still is: heartbeat, and on the same host the process itself.
#include <signal.h>
#include <unistd.h>

#include <array>
#include <ctime>
#include <fstream>
#include <sstream>

#include "metrics/log/status_file.h"

namespace precipice {

std::optional<std::int64_t> start_time_of_process(std::int64_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  // A process that ends between the two calls makes the read fail, which only the stream's own functions take for an end.
  std::ostringstream read;
  read << file.rdbuf();
  const std::string line = read.str();
  // The second field is the program's name in parentheses, which may itself hold spaces and parentheses.
  const std::size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(line.substr(name_end + 1));
  std::string state, skipped;
  fields >> state;  // field 3
  for (int field = 4; field < 22; ++field) fields >> skipped;
  std::int64_t start = 0;
  if (!(fields >> start) || state == "Z" || state == "X") return std::nullopt;
  return start;
}

bool process_alive(std::int64_t pid, std::int64_t start_time) {
  return pid > 0 && start_time_of_process(pid) == start_time;
}

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "unknown";
}

void stamp(RunStatus& status) {
  status.pid = ::getpid();
  status.process_start = start_time_of_process(status.pid).value_or(0);
  status.host = host_name();
  status.heartbeat = std::time(nullptr);
}

RunState observed_state(const RunStatus& status, std::string_view host, std::int64_t now) {
  if (status.state != RunState::Running) return status.state;
  const bool silent = status.heartbeat < now - kStaleSeconds;
  const bool gone = status.host == host && !process_alive(status.pid, status.process_start);
  return silent || gone ? RunState::Stale : RunState::Running;
}

RunState observed_state(const RunStatus& status) {
  return observed_state(status, host_name(), std::time(nullptr));
}

}  // namespace precipice
