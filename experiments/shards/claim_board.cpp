// SPDX-License-Identifier: Apache-2.0
#include "experiments/shards/claim_board.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <thread>
#include <utility>

#include "metrics/files/files.h"
#include "precision/base/check.h"
#include "precision/base/parse_number.h"
#include "train/run/provenance.h"

namespace precipice {
namespace {

constexpr std::string_view kClaimSuffix = ".claim";
constexpr std::uint64_t kMaxClaimBytes = 1 << 16;

std::string claim_name(const std::string& id, std::int64_t number) {
  return fmt::format("{}.{}{}", id, number, kClaimSuffix);
}

struct ClaimName {
  std::string id;
  std::int64_t number = 0;
};

// Nothing for any other name, temporary ones among them.
std::optional<ClaimName> parse_claim_name(std::string_view name) {
  if (name.starts_with('.') || !name.ends_with(kClaimSuffix)) return std::nullopt;
  name.remove_suffix(kClaimSuffix.size());
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return std::nullopt;
  const auto number = parse_number<std::int64_t>(name.substr(dot + 1));
  if (!number || *number < 0) return std::nullopt;
  return ClaimName{std::string(name.substr(0, dot)), *number};
}

Directory shards_folder(const std::filesystem::path& sweep_directory) {
  make_directories(sweep_directory);
  return Directory(sweep_directory).folder(kShardsFolder);
}

double seconds_of(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

std::string to_string(ClaimState state) {
  static constexpr const char* kNames[] = {"free", "held", "gone", "stale"};
  return kNames[static_cast<std::size_t>(state)];
}

ClaimBoard::ClaimBoard(const std::filesystem::path& sweep_directory, std::string holder, ClaimTimes times,
                       ProcessIdentity self)
    : folder_(shards_folder(sweep_directory)), holder_(std::move(holder)), times_(times), self_(std::move(self)) {}

void ClaimBoard::list(bool fresh) {
  const auto now = Steady::now();
  if (!fresh && listed_ && now - *listed_ < times_.listing) return;
  numbers_.clear();
  for (const std::string& name : folder_.names())
    if (const auto claim = parse_claim_name(name)) numbers_[claim->id].push_back(claim->number);
  for (auto& [id, numbers] : numbers_) std::sort(numbers.begin(), numbers.end());
  std::erase_if(watched_, [&](const auto& entry) {
    const auto claim = parse_claim_name(entry.first);
    const auto found = numbers_.find(claim->id);
    return found == numbers_.end() || found->second.back() != claim->number;
  });
  listed_ = now;
}

double ClaimBoard::file_system_time() {
  const auto now = Steady::now();
  if (!clock_read_ || now - *clock_read_ > times_.renew) {
    clock_ = static_cast<double>(std::time(nullptr));
    try {
      const std::string name = fmt::format(".clock.{}.{}", token_, count_++);
      const auto stamp = stamp_of(folder_.create(name));
      folder_.remove(name);
      if (stamp) clock_ = 1e-9 * static_cast<double>(stamp->changed);
    } catch (const OutputError&) {  // who may only read has nothing but his own clock
    }
    clock_read_ = now;
  }
  return clock_ + seconds_of(now - *clock_read_);
}

// The claim as this process has watched it: from the first moment that it was seen as it is.
ClaimBoard::Watched& ClaimBoard::watch(const std::string& name) {
  const FileDescriptor file = folder_.open_for_reading(name);  // NFS answers from the server, not from a cache
  const auto stamp = stamp_of(file);
  Watched& watched = watched_[name];
  if (stamp != watched.stamp || !stamp) {
    if (!watched.record || !stamp || stamp->inode != watched.stamp.inode) watched.record.reset();
    watched.stamp = stamp.value_or(FileStamp{});
    watched.since = Steady::now();
  }
  if (stamp && !watched.record) {
    try {
      watched.record = decode_claim(read_whole(file, folder_.path() / name, kMaxClaimBytes), name);
    } catch (const DataError&) {  // power was lost, or another version: its mtime says when its holder was alive
      watched.record = ClaimRecord{};
      watched.record->holder = "unknown";
    }
  }
  return watched;
}

SeenClaim ClaimBoard::see(const std::string& id, std::int64_t number) {
  SeenClaim seen{id, number};
  const Watched& watched = watch(claim_name(id, number));
  if (!watched.record) {  // taken over, given back or finished since the folder was read
    seen.state = ClaimState::Held;
    listed_.reset();
    return seen;
  }
  seen.record = *watched.record;
  if (seen.record.free) return seen;
  const Presence presence = presence_of(seen.record.process, self_);
  seen.age = file_system_time() - 1e-9 * static_cast<double>(watched.stamp.changed);
  const double stale = seconds_of(times_.stale), watched_for = seconds_of(Steady::now() - watched.since);
  seen.is_ahead = seen.age < -stale;
  const bool silent = watched_for >= stale || (watched_for >= seconds_of(times_.watch) && seen.age >= stale);
  seen.state = presence == Presence::Gone ? ClaimState::Gone : silent ? ClaimState::Stale : ClaimState::Held;
  return seen;
}

SeenClaim ClaimBoard::look(const std::string& id, bool fresh) {
  list(fresh);
  const auto found = numbers_.find(id);
  return found == numbers_.end() ? SeenClaim{id} : see(id, found->second.back());
}

std::vector<SeenClaim> ClaimBoard::look_at_all() {
  list(true);
  std::vector<SeenClaim> claims;
  for (const auto& [id, numbers] : std::map(numbers_)) claims.push_back(see(id, numbers.back()));
  return claims;
}

ClaimRecord ClaimBoard::record_of(const std::string& id, bool free) const {
  ClaimRecord record;
  record.token = fmt::format("{}.{}.{}", token_, id, count_);
  record.free = free;
  record.holder = holder_;
  record.program = fmt::format("{} ({})", program_version(), program_commit());
  record.process = self_;
  record.written = static_cast<std::int64_t>(std::time(nullptr));
  return record;
}

std::optional<RunClaim> ClaimBoard::take(const std::string& id) {
  SeenClaim before = look(id);  // step 1
  if (before.state == ClaimState::Held) return std::nullopt;
  const std::int64_t number = before.number + 1;
  const std::string name = claim_name(id, number);
  const std::string unique = fmt::format("{}.{}", token_, count_++);
  const bool made = folder_.make_exclusive(name, encode_claim(record_of(id, false)), unique);  // step 2
  list(true);                                                                                  // step 3
  const auto found = numbers_.find(id);
  const std::vector<std::int64_t> numbers = found == numbers_.end() ? std::vector<std::int64_t>{} : found->second;
  const bool is_last = made && !numbers.empty() && numbers.back() == number;
  std::optional<RunClaim> claim;
  if (is_last) claim = RunClaim(folder_, id, number, std::move(before));
  if (!is_last || !claim->file_.valid()) {
    if (made && !numbers.empty() && numbers.back() > number) folder_.remove(name);
    ++lost_races_;
    return std::nullopt;
  }
  for (const std::int64_t lower : numbers)  // step 4
    if (lower < number) folder_.remove(claim_name(id, lower));
  return claim;
}

std::optional<RunClaim> ClaimBoard::wait_for(const std::string& id, std::chrono::milliseconds patience) {
  constexpr std::chrono::milliseconds kSlice{20};
  const auto end = Steady::now() + patience;
  for (;;) {
    list(true);
    if (auto claim = take(id)) return claim;
    if (Steady::now() > end) return std::nullopt;
    std::this_thread::sleep_for(kSlice);
  }
}

RunClaim ClaimBoard::claim_of_launcher(const std::string& id, std::int64_t number) const {
  return RunClaim(folder_, id, number, {});
}

RunClaim::RunClaim(const Directory& folder, std::string id, std::int64_t number, SeenClaim before)
    : folder_(&folder),
      id_(std::move(id)),
      number_(number),
      before_(std::move(before)),
      file_(folder.open_for_reading(claim_name(id_, number))),
      stamp_(stamp_of(file_).value_or(FileStamp{})) {}

bool RunClaim::renew() {
  return touch(file_) && is_ours();
}

bool RunClaim::is_ours() const {
  const auto now = stamp_of(folder_->open_for_reading(claim_name(id_, number_)));
  return now && now->inode == stamp_.inode && now->device == stamp_.device &&
         !folder_->stamp(claim_name(id_, number_ + 1));
}

void RunClaim::give_back(ClaimBoard& board) {
  if (!is_ours()) return;
  const std::string unique = fmt::format("{}.{}", board.token_, board.count_++);
  if (folder_->make_exclusive(claim_name(id_, number_ + 1), encode_claim(board.record_of(id_, true)), unique))
    folder_->remove(claim_name(id_, number_));
}

void RunClaim::finish() {
  if (is_ours()) folder_->remove(claim_name(id_, number_));
}

}  // namespace precipice
