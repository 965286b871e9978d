// SPDX-License-Identifier: Apache-2.0
// What each process that works at a sweep says of itself, for `precipice status` and for the others: one file each in
// DIR/shards, named by the process's own token, rewritten every few seconds and removed when it ends. Its mtime is its
// heartbeat, as a claim's is (claim_board.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "experiments/shards/claim_board.h"

namespace precipice {

struct ShardFile {
  std::string name;     // "shard 3/8"; "sweep" for one without --shard
  std::string program;  // version and commit
  ProcessIdentity process;
  std::int64_t started = 0, written = 0;  // Unix seconds by its own clock
  std::int64_t jobs = 0;                  // processes at once
  std::vector<std::string> running{};     // runs
  std::int64_t finished = 0, failed = 0;  // runs of this process
  std::int64_t seconds_left = -1;         // of --for; -1: no budget
};

enum class ShardState { Working, Gone, Silent };  // Silent: no heartbeat for ClaimTimes::stale
std::string to_string(ShardState state);          // "working", "gone", "silent"

struct SeenShard {
  ShardFile file;
  ShardState state = ShardState::Working;
  double age = 0;           // seconds since its heartbeat, by the file system's clock
  double clock_offset = 0;  // seconds that its host's clock is ahead of the file system's, when it wrote last
};

std::string shard_file_name(const std::string& token);  // "<token>.shard"
std::string encode_shard(const ShardFile& file);
// Throws DataError where it is damaged or of another version.
ShardFile decode_shard(std::string_view bytes, const std::string& name);

// All of the folder, by name. Files that are damaged, of another version or go away meanwhile are left out.
std::vector<SeenShard> read_shards(ClaimBoard& board);

// Throws ConfigError where a shard whose file this version cannot read has had a heartbeat lately.
void refuse_other_versions(ClaimBoard& board);

// Removes those of processes of this machine that are gone, and of others that have been silent for a day, with what a
// kill left of files that were about to get their names.
void remove_old_shards(ClaimBoard& board);

}  // namespace precipice
