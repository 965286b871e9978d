// SPDX-License-Identifier: Apache-2.0
// Which process on which machine: what a claim on a shared directory says of its holder. Process ids mean something
// within one boot of one kernel and one PID namespace only, so that two containers of one host, or a host that was
// started anew, are not taken for each other.
#pragma once

#include <cstdint>
#include <string>

namespace precipice {

struct ProcessIdentity {
  std::string host;          // gethostname(2), for people
  std::string boot;          // /proc/sys/kernel/random/boot_id; "" where it cannot be read
  std::string namespace_;    // of process ids: the link /proc/self/ns/pid; "" likewise
  std::int64_t pid = 0;      //
  std::int64_t started = 0;  // start_time_of_process(pid): tells it from a later process of the same number
  bool operator==(const ProcessIdentity&) const = default;
};

ProcessIdentity this_process();

// Elsewhere: on another host, or where process ids are others; only its heartbeat says whether it is alive.
enum class Presence { Alive, Gone, Elsewhere };
Presence presence_of(const ProcessIdentity& process, const ProcessIdentity& observer);

std::string random_token();  // 32 hex digits that nobody has had before

}  // namespace precipice
