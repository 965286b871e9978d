// SPDX-License-Identifier: Apache-2.0
// Who works at which run of a sweep that several processes on several hosts share: claims, one file each, in the folder
// DIR/shards of the sweep directory, by link(2) and mtimes alone, so that it holds on NFS and Lustre as well, where
// flock(2) may be of one host only. Cf. Lamport's bakery and the lock files of NFS, open(2) under O_EXCL.
//
// The claims on a run are numbered: "<run>.0.claim", "<run>.1.claim", ... The one with the highest number is the run's.
// It is held, or given back ("free" in it), or its holder is gone, or it is stale.
//
//   take   1. L := the highest number now (-1: none), which must be free, gone or stale.
//          2. make_exclusive("<run>.<L+1>.claim"). Where the name is taken: lost.
//          3. Read the folder once more. A number above L+1, or none of the own name: remove the own one, lost.
//          4. Remove the numbers below L+1. Won.
//   give back   the same with "free" in the file, from the own number on; lost where another has taken the run over.
//   finish      of a run of which nothing is left to do: remove the own claim and those below it.
//
// Exactly one wins. (a) Two that saw the same L make the same name, and link(2) lets one of them do it. (b) Nothing but
// `finish` removes the highest number (steps 3 and 4 remove lower ones), so between finishes it only rises. (c) A taker
// that slept after 1 may find L+1 free to make: the winner of L+1 was followed by one of L+2, who removed it. Then L+2
// or a higher one is there, by (b), and 3 finds it. (d) After `finish` it may find the name free as well and win; but
// then the run is finished, which every winner looks at before it does anything: the claim is finished again.
// So at every moment one number is highest, and one process has made it. Who made a lower one has lost its run.
//
// A claim is stale when by the file system's own clock its mtime is `stale` old, and this process itself has watched it
// unchanged for `watch`; or when this process has watched it unchanged for `stale`. The file system's clock is the
// mtime of a file written just now: hosts whose clocks are an hour apart agree on it. Lustre gives files their writer's
// time instead; there the watching, which knows only this process's own steady clock, keeps a claim whose holder's
// clock is an hour behind from being thought stale. A holder is gone when it was a process of this very machine
// (process_identity.h) and there is no such process any more: no time is waited then.
//
// A holder that was thought stale and was only asleep has lost its run (RunClaim::is_ours is false), and must see that
// before it writes again: see moved_run.h for what keeps it from writing where it has been taken over.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "experiments/shards/claim_record.h"
#include "metrics/files/directory.h"

namespace precipice {

inline constexpr const char* kShardsFolder = "shards";

struct ClaimTimes {
  std::chrono::milliseconds renew{5'000};   // between heartbeats of a holder
  std::chrono::milliseconds watch{15'000};  // that an old claim is watched before it is thought stale
  std::chrono::milliseconds stale{60'000};  // without a heartbeat; also said in docs/CLUSTERS.md
  std::chrono::milliseconds listing{500};   // that the names in the folder are believed before they are read again
};

enum class ClaimState { Free, Held, Gone, Stale };
std::string to_string(ClaimState state);  // "free", ...

struct SeenClaim {
  std::string id;
  std::int64_t number = -1;  // -1: there is none
  ClaimState state = ClaimState::Free;
  ClaimRecord record{};   // of a damaged file: empty but for the holder's name "unknown"
  double age = 0;         // seconds since its heartbeat, by the file system's clock
  bool is_ahead = false;  // its mtime lies in the future of that clock: the holder's clock is no good
};

class RunClaim;

class ClaimBoard {
 public:
  // The folder is made where it is missing. `holder`: what this process is called, "shard 3/8".
  ClaimBoard(const std::filesystem::path& sweep_directory, std::string holder, ClaimTimes times = {},
             ProcessIdentity self = this_process());
  ClaimBoard(const ClaimBoard&) = delete;
  ClaimBoard& operator=(const ClaimBoard&) = delete;

  const Directory& folder() const { return folder_; }
  const ClaimTimes& times() const { return times_; }
  const ProcessIdentity& self() const { return self_; }
  const std::string& holder() const { return holder_; }

  // The state of the run's claim; `fresh`: from the folder as it is now, else as it was lately.
  SeenClaim look(const std::string& id, bool fresh = false);
  // The claims on all runs that have one.
  std::vector<SeenClaim> look_at_all();

  // Nothing where another process has it, or was faster.
  std::optional<RunClaim> take(const std::string& id);
  // In a fork of the process that has taken it since: its claim with this number, whether it is still the run's or not.
  RunClaim claim_of_launcher(const std::string& id, std::int64_t number) const;
  // The same, waiting for it; nothing where `patience` is over.
  std::optional<RunClaim> wait_for(const std::string& id, std::chrono::milliseconds patience);

  std::size_t lost_races() const { return lost_races_; }  // of take()
  // The file system's present time in seconds since 1970: the mtime of a file written at most a renewal ago, and what
  // has passed since. Where no file can be written, this host's.
  double file_system_time();

 private:
  using Steady = std::chrono::steady_clock;
  struct Watched {
    FileStamp stamp;
    Steady::time_point since;
    std::optional<ClaimRecord> record;
  };

  void list(bool fresh);
  Watched& watch(const std::string& name);
  SeenClaim see(const std::string& id, std::int64_t number);
  ClaimRecord record_of(const std::string& id, bool free) const;

  Directory folder_;
  std::string holder_;
  ClaimTimes times_;
  ProcessIdentity self_;
  std::string token_ = random_token();
  std::uint64_t count_ = 0;
  std::map<std::string, std::vector<std::int64_t>> numbers_;  // by run, ascending
  std::optional<Steady::time_point> listed_, clock_read_;
  std::map<std::string, Watched> watched_;  // by the file's name
  double clock_ = 0;
  std::size_t lost_races_ = 0;
  friend class RunClaim;
};

// A run that this process holds. Copies of a fork of it stay valid there, but only one process may give it back.
class RunClaim {
 public:
  const std::string& id() const { return id_; }
  std::int64_t number() const { return number_; }
  // What the claim before it was: Free: none or given back.
  const SeenClaim& before() const { return before_; }

  bool renew();          // the heartbeat; false where the run is another process's
  bool is_ours() const;  // the file has its name still, opened anew (which NFS asks the server about), and is the last
  // The run is anyone's again. Nothing happens where it is another process's.
  void give_back(ClaimBoard& board);
  void finish();  // of a run of which nothing is left to do

 private:
  friend class ClaimBoard;
  RunClaim(const Directory& folder, std::string id, std::int64_t number, SeenClaim before);
  const Directory* folder_;
  std::string id_;
  std::int64_t number_;
  SeenClaim before_;
  FileDescriptor file_;
  FileStamp stamp_;
};

}  // namespace precipice
