// SPDX-License-Identifier: Apache-2.0
// What the file of a claim says. JSON, never changed once it is there; the file's mtime is the heartbeat:
//   {"format": 1, "token": "...", "free": false, "holder": "shard 3/8", "program": "0.1.0 (abc)", "host": "node7",
//    "boot": "...", "namespace": "pid:[4026531836]", "pid": 4711, "process_start": 123, "written": 1796030706}
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "experiments/shards/process_identity.h"

namespace precipice {

inline constexpr std::int64_t kShardFormat = 1;  // of claims and of shards' own files

struct ClaimRecord {
  std::string token;    // this claim's own
  bool free = false;    // given back: whoever comes first may take the run
  std::string holder;   // "shard 3/8", "sweep"
  std::string program;  // version and commit
  ProcessIdentity process;
  std::int64_t written = 0;  // Unix seconds by the holder's own clock
};

std::string encode_claim(const ClaimRecord& record);

// Throws DataError naming `name` where the file is damaged or of another version.
ClaimRecord decode_claim(std::string_view bytes, const std::string& name);

}  // namespace precipice
