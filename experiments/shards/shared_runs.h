// SPDX-License-Identifier: Apache-2.0
// A sweep's runs as one of several processes sees them that work at them, on any hosts: it takes runs by claims
// (claim_board.h), keeps its claims alive, notices what it has lost, and says in a file what it is doing (shard_files.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "experiments/shards/claim_board.h"
#include "experiments/shards/shard_files.h"
#include "experiments/shards/shard_index.h"

namespace precipice {

// A clock of a host is off when it differs by more than this from the file system's.
inline constexpr double kClockTolerance = 60;  // seconds

class SharedRuns {
 public:
  // Without `shard`: a sweep that is no shard. It takes claims as well, so that shards leave its runs alone; where the
  // file system has no hard links it goes without, and relies on locks. A shard throws ConfigError there, and where
  // another version of the program works in the directory. `say` gets sentences for the user: a clock that is off,
  // another process of the same index.
  SharedRuns(const std::filesystem::path& sweep_directory, std::optional<ShardIndex> shard,
             std::function<void(const std::string&)> say, ClaimTimes times = {});
  ~SharedRuns();
  SharedRuns(const SharedRuns&) = delete;
  SharedRuns& operator=(const SharedRuns&) = delete;

  bool is_shard() const { return shard_.has_value(); }
  bool is_own(const std::string& id) const { return !shard_ || shard_->has(id); }

  enum class Taking {
    Taken,    // nobody had it, or who had it gave it back
    Retaken,  // from a holder that is gone, or asleep: its files are in order (moved_run.h)
    Held      // by another process, or this one was too late
  };
  // Taken as well where this process has it already.
  Taking take(const std::string& id);
  std::string holder_text(const std::string& id);  // of what was Held: "shard 3/8 (process 4711 on node7)"
  bool holds(const std::string& id) const { return claims_.contains(id); }

  // For what is written to a run that this process holds, also by a fork of it: throws OutputError once another process
  // has the run. It asks the file system at most once a second, which is much less than claims take to be stale.
  // `number`: of the claim, where it was taken after the fork, as claim_number() gave it; -1: there is none.
  std::function<void()> guard(const std::string& id, std::int64_t number = -1) const;
  std::int64_t claim_number(const std::string& id) const;  // of a run that this process holds; else -1
  // Whether a run that this process took was taken over; false for what it does not hold.
  bool is_lost(const std::string& id);
  void drop(const std::string& id) { claims_.erase(id); }  // what is lost
  void give_back(const std::string& id);
  // Of a run of which nothing is left to do: no claim is left on it, also where its holder was killed before this.
  void finish(const std::string& id);

  // Renews claims and this process's file when that is due. Cheap otherwise.
  void renew();
  ShardFile& own_file() { return file_; }  // what the others see from the next renewal on

  // While the function runs no other process of the sweep changes its record. It waits for one that does.
  void with_record(const std::function<void()>& work);

  const ClaimBoard* board() const { return board_.get(); }

 private:
  using Steady = std::chrono::steady_clock;
  void probe();
  void look_around(const std::function<void(const std::string&)>& say);
  void write_file();

  std::filesystem::path path_;
  std::optional<ShardIndex> shard_;
  std::unique_ptr<ClaimBoard> board_;  // null: no claims can be had
  std::map<std::string, RunClaim> claims_;
  ShardFile file_;
  std::string file_name_;
  std::optional<Steady::time_point> renewed_;
};

}  // namespace precipice
