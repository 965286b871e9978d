// SPDX-License-Identifier: Apache-2.0
#include "experiments/shards/process_identity.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <system_error>

#include "metrics/log/status_file.h"

namespace precipice {

ProcessIdentity this_process() {
  ProcessIdentity process;
  process.host = host_name();
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::getline(file, process.boot);
  std::error_code error;
  process.namespace_ = std::filesystem::read_symlink("/proc/self/ns/pid", error).string();
  process.pid = getpid();
  process.started = start_time_of_process(process.pid).value_or(0);
  return process;
}

Presence presence_of(const ProcessIdentity& process, const ProcessIdentity& observer) {
  const bool same_machine = !process.boot.empty() && !process.namespace_.empty() && process.host == observer.host &&
                            process.boot == observer.boot && process.namespace_ == observer.namespace_;
  if (!same_machine) return Presence::Elsewhere;
  return process_alive(process.pid, process.started) ? Presence::Alive : Presence::Gone;
}

std::string random_token() {
  std::random_device device;
  std::string token;
  for (int word = 0; word < 4; ++word) token += fmt::format("{:08x}", device());
  return token;
}

}  // namespace precipice
