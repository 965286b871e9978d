// SPDX-License-Identifier: Apache-2.0
#include "experiments/shards/shard_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>

#include "precision/base/check.h"

namespace precipice {
namespace {

constexpr std::string_view kShardSuffix = ".shard";
constexpr std::uint64_t kMaxShardBytes = 1 << 20;
constexpr double kForgotten = 24 * 3600;  // seconds of silence

// The one declaration of the file's keys, for reading and writing.
template <class File, class Visit>
void visit_shard(File& file, const Visit& visit) {
  visit("name", file.name);
  visit("program", file.program);
  visit("host", file.process.host);
  visit("boot", file.process.boot);
  visit("namespace", file.process.namespace_);
  visit("pid", file.process.pid);
  visit("process_start", file.process.started);
  visit("started", file.started);
  visit("written", file.written);
  visit("jobs", file.jobs);
  visit("running", file.running);
  visit("finished", file.finished);
  visit("failed", file.failed);
  visit("seconds_left", file.seconds_left);
}

void for_each_shard(ClaimBoard& board,
                    const std::function<void(const std::string& name, const SeenShard& shard)>& visit) {
  std::vector<std::string> names = board.folder().names();
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    if (name.starts_with('.') || !name.ends_with(kShardSuffix)) continue;
    const FileDescriptor file = board.folder().open_for_reading(name);
    const auto stamp = stamp_of(file);
    if (!stamp) continue;
    SeenShard seen;
    try {
      seen.file = decode_shard(read_whole(file, name, kMaxShardBytes), name);
    } catch (const DataError&) {
      continue;
    }
    const double now = board.file_system_time(), heartbeat = 1e-9 * static_cast<double>(stamp->changed);
    seen.age = std::max(0.0, now - heartbeat);
    seen.clock_offset = static_cast<double>(seen.file.written) - heartbeat;
    const bool is_gone = presence_of(seen.file.process, board.self()) == Presence::Gone;
    const bool is_silent = seen.age > std::chrono::duration<double>(board.times().stale).count();
    seen.state = is_gone ? ShardState::Gone : is_silent ? ShardState::Silent : ShardState::Working;
    visit(name, seen);
  }
}

}  // namespace

std::string to_string(ShardState state) {
  return state == ShardState::Working ? "working" : state == ShardState::Gone ? "gone" : "silent";
}

std::string shard_file_name(const std::string& token) {
  return token + std::string(kShardSuffix);
}

std::string encode_shard(const ShardFile& file) {
  nlohmann::ordered_json json{{"format", kShardFormat}};
  visit_shard(file, [&json](const char* key, const auto& value) { json[key] = value; });
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

ShardFile decode_shard(std::string_view bytes, const std::string& name) {
  ShardFile file;
  try {
    const nlohmann::json json = nlohmann::json::parse(bytes);
    if (const auto format = json.at("format").get<std::int64_t>(); format != kShardFormat)
      throw DataError(
          fmt::format("{}: a shard's file of format {}; this version knows {}", name, format, kShardFormat));
    visit_shard(file, [&json](const char* key, auto& value) { json.at(key).get_to(value); });
  } catch (const nlohmann::json::exception&) {
    throw DataError(name + ": damaged file of a shard");
  }
  return file;
}

void refuse_other_versions(ClaimBoard& board) {
  for (const std::string& name : board.folder().names()) {
    const auto stamp = board.folder().stamp(name);
    if (name.starts_with('.') || !name.ends_with(kShardSuffix) || !stamp) continue;
    try {
      decode_shard(board.folder().read(name, kMaxShardBytes), name);
    } catch (const DataError& error) {
      const double age = board.file_system_time() - 1e-9 * static_cast<double>(stamp->changed);
      if (board.folder().has(name) && age <= std::chrono::duration<double>(board.times().stale).count())
        throw ConfigError({"", 0, "directory", board.folder().path().parent_path().string()},
                          fmt::format("another version of precipice works here ({}): let all shards of a sweep be of "
                                      "one version, or wait until it has ended",
                                      error.what()));
    }
  }
}

std::vector<SeenShard> read_shards(ClaimBoard& board) {
  std::vector<SeenShard> shards;
  for_each_shard(board, [&](const std::string&, const SeenShard& shard) { shards.push_back(shard); });
  std::ranges::stable_sort(shards, {}, [](const SeenShard& shard) { return shard.file.name; });
  return shards;
}

void remove_old_shards(ClaimBoard& board) {
  for (const std::string& name : board.folder().names()) {
    const auto stamp = name.starts_with('.') ? board.folder().stamp(name) : std::nullopt;
    if (stamp && board.file_system_time() - 1e-9 * static_cast<double>(stamp->changed) > kForgotten)
      board.folder().remove(name);
  }
  for_each_shard(board, [&](const std::string& name, const SeenShard& shard) {
    if (shard.state == ShardState::Gone || shard.age > kForgotten) board.folder().remove(name);
  });
}

}  // namespace precipice
