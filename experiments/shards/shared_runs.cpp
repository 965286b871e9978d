// SPDX-License-Identifier: Apache-2.0
#include "experiments/shards/shared_runs.h"

#include <fmt/format.h>

#include <cmath>
#include <ctime>
#include <utility>

#include "experiments/shards/moved_run.h"
#include "metrics/files/files.h"
#include "precision/base/check.h"
#include "train/run/provenance.h"

namespace precipice {
namespace {

constexpr const char* kRecordClaim = "record";                 // of sweep.toml
constexpr std::chrono::milliseconds kRecordPatience{300'000};  // as long as a plan of many runs takes, and more
constexpr std::chrono::milliseconds kGuardInterval{1'000};

std::string shard_name(const std::optional<ShardIndex>& shard) {
  return shard ? "shard " + to_string(*shard) : "sweep";
}

// By the worker of a holder that is gone, which is about to write its last checkpoint.
bool is_locked(const std::filesystem::path& run) {
  std::error_code error;
  return std::filesystem::is_directory(run, error) && !Directory(run).try_lock();
}

std::string process_text(const ProcessIdentity& process) {
  return fmt::format("process {} on {}", process.pid, process.host);
}

}  // namespace

SharedRuns::SharedRuns(const std::filesystem::path& sweep_directory, std::optional<ShardIndex> shard,
                       std::function<void(const std::string&)> say, ClaimTimes times)
    : path_(sweep_directory), shard_(std::move(shard)) {
  try {
    board_ = std::make_unique<ClaimBoard>(path_, shard_name(shard_), times);
    probe();
  } catch (const OutputError& error) {
    if (shard_)
      throw ConfigError({"", 0, "directory", path_.string()},
                        fmt::format("shards need a file system with hard links and renames: {}", error.what()));
    board_.reset();
    return;
  }
  file_.name = board_->holder();
  file_.program = fmt::format("{} ({})", program_version(), program_commit());
  file_.process = board_->self();
  file_.started = static_cast<std::int64_t>(std::time(nullptr));
  file_name_ = shard_file_name(random_token());
  remove_old_shards(*board_);
  if (shard_) refuse_other_versions(*board_);
  look_around(say);
  write_file();
}

SharedRuns::~SharedRuns() {
  if (!board_) return;
  try {
    for (auto& [id, claim] : claims_) claim.give_back(*board_);
    board_->folder().remove(file_name_);
  } catch (const Error&) {  // the directory is gone; claims then are stale in a minute
  }
}

// Makes a name twice and moves a file: the second making must be refused, and what was moved must be there.
void SharedRuns::probe() {
  const Directory& folder = board_->folder();
  const std::string token = random_token(), name = ".probe." + token, moved = name + ".moved";
  const bool first = folder.make_exclusive(name, "probe\n", "a"), second = folder.make_exclusive(name, "probe\n", "b");
  const bool there = folder.move(name, folder, moved) && folder.has(moved) && !folder.has(name);
  folder.remove(name);
  folder.remove(moved);
  if (!first || second) throw OutputError("link(2) gives a name that is taken");
  if (!there) throw OutputError("a renamed file is not where it should be");
}

void SharedRuns::look_around(const std::function<void(const std::string&)>& say) {
  const double offset = static_cast<double>(std::time(nullptr)) - board_->file_system_time();
  if (std::abs(offset) > kClockTolerance)
    say(fmt::format("the clock of this host is {:.0f} s {} that of the file system of {}, by which claims are judged",
                    std::abs(offset), offset > 0 ? "ahead of" : "behind", path_.string()));
  for (const SeenShard& shard : read_shards(*board_)) {
    if (shard.state != ShardState::Working) continue;
    if (shard_ && shard.file.program != file_.program)
      throw ConfigError(
          {"", 0, "directory", path_.string()},
          fmt::format("{} ({}) works here with precipice {}, and this is {}: let all shards of a sweep be "
                      "of one version, or wait until it has ended",
                      shard.file.name, process_text(shard.file.process), shard.file.program, file_.program));
    if (shard_ && shard.file.name == file_.name)
      say(fmt::format(
          "{} works here already: {}. Nothing is done twice, but each shard should have an index of its own",
          shard.file.name, process_text(shard.file.process)));
    if (std::abs(shard.clock_offset) > kClockTolerance)
      say(fmt::format("the clock of {} is {:.0f} s {} that of the file system, by which claims are judged",
                      shard.file.process.host, std::abs(shard.clock_offset),
                      shard.clock_offset > 0 ? "ahead of" : "behind"));
  }
}

SharedRuns::Taking SharedRuns::take(const std::string& id) {
  if (!board_) return Taking::Taken;
  if (const auto own = claims_.find(id); own != claims_.end()) {
    if (own->second.is_ours()) return Taking::Taken;
    claims_.erase(own);
  }
  if (board_->look(id).state == ClaimState::Gone && is_locked(path_ / id)) return Taking::Held;
  std::optional<RunClaim> claim = board_->take(id);
  if (!claim) return Taking::Held;
  const ClaimState before = claim->before().state;
  const RunClaim& held = claims_.emplace(id, std::move(*claim)).first->second;
  const Directory sweep(path_);
  try {
    put_back_run(sweep, board_->folder(), id);
    // Who is gone writes no more; who is only silent may.
    if (before == ClaimState::Stale)
      renew_run_directory(sweep, board_->folder(), id, held.number(), [&held] { return held.is_ours(); });
  } catch (const OutputError&) {
    if (held.is_ours()) {
      give_back(id);
      throw;
    }
    claims_.erase(id);
    return Taking::Held;
  }
  return before == ClaimState::Free ? Taking::Taken : Taking::Retaken;
}

std::string SharedRuns::holder_text(const std::string& id) {
  if (!board_) return "another process";
  const SeenClaim claim = board_->look(id);
  return fmt::format("{} ({})", claim.record.holder, process_text(claim.record.process));
}

std::int64_t SharedRuns::claim_number(const std::string& id) const {
  const auto claim = claims_.find(id);
  return claim == claims_.end() ? -1 : claim->second.number();
}

std::function<void()> SharedRuns::guard(const std::string& id, std::int64_t number) const {
  std::shared_ptr<const RunClaim> claim;
  if (const auto known = claims_.find(id); known != claims_.end() && (number < 0 || known->second.number() == number))
    claim = std::shared_ptr<const RunClaim>(std::shared_ptr<void>(), &known->second);
  else if (board_ && number >= 0)
    claim = std::make_shared<const RunClaim>(board_->claim_of_launcher(id, number));
  if (!claim) return {};
  return [claim, path = path_ / id, asked = std::optional<Steady::time_point>()]() mutable {
    const auto now = Steady::now();
    if (asked && now - *asked < kGuardInterval) return;
    if (!claim->is_ours())
      throw OutputError(
          fmt::format("{}: another process has taken the run over, since this one was silent for too "
                      "long; nothing more was written",
                      path.string()));
    asked = now;
  };
}

bool SharedRuns::is_lost(const std::string& id) {
  const auto claim = claims_.find(id);
  return claim != claims_.end() && !claim->second.is_ours();
}

void SharedRuns::give_back(const std::string& id) {
  const auto claim = claims_.find(id);
  if (claim == claims_.end()) return;
  try {
    claim->second.give_back(*board_);
  } catch (const OutputError&) {  // the directory is gone, or the disk is full: the claim is stale in a minute
  }
  claims_.erase(claim);
}

void SharedRuns::finish(const std::string& id) {
  if (const auto claim = claims_.find(id); claim != claims_.end()) {
    claim->second.finish();
    claims_.erase(claim);
    return;
  }
  try {
    if (!board_ || board_->look(id).state != ClaimState::Gone) return;
    if (std::optional<RunClaim> left = board_->take(id)) left->finish();
  } catch (const OutputError&) {  // the directory is gone, or the disk is full: the claim harms nobody
  }
}

void SharedRuns::write_file() {
  file_.written = static_cast<std::int64_t>(std::time(nullptr));
  try {
    // Whole, but not synced to the disk: of a machine without power nobody needs to know what it was doing.
    const std::string fresh = "." + file_name_ + ".new";
    board_->folder().remove(fresh);
    board_->folder().make_exclusive(fresh, encode_shard(file_), "own");
    board_->folder().move(fresh, board_->folder(), file_name_);
  } catch (const OutputError&) {  // a full disk: the runs say so
  }
}

void SharedRuns::renew() {
  if (!board_) return;
  const auto now = Steady::now();
  if (renewed_ && now - *renewed_ < board_->times().renew) return;
  renewed_ = now;
  // What is lost stays in the list until its worker has ended, which it does at its next write.
  for (auto& [id, claim] : claims_) claim.renew();
  write_file();
}

void SharedRuns::with_record(const std::function<void()>& work) {
  if (!board_) return work();
  std::optional<RunClaim> claim = board_->wait_for(kRecordClaim, kRecordPatience);
  if (!claim) throw OutputError(path_.string() + ": other shards have been at its record for too long");
  // A sweep that is no shard leaves nothing behind that was not there before; its own lock keeps others away as well.
  const auto end = [&] { shard_ ? claim->give_back(*board_) : claim->finish(); };
  try {
    work();
  } catch (...) {
    end();
    throw;
  }
  end();
}

}  // namespace precipice
