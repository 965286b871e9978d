// SPDX-License-Identifier: Apache-2.0
#include "experiments/shards/moved_run.h"

#include <fmt/format.h>

#include <system_error>

#include "metrics/files/files.h"
#include "metrics/files/run_files.h"
#include "metrics/log/journal.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kNewSuffix = ".new", kOldSuffix = ".old";

bool is_appended_to(const std::string& name) {
  return name == kJournalFileName || name == kLogFileName;
}

void give_second_names(const Directory& from, const Directory& to) {
  for (const std::string& name : from.names()) {
    std::error_code ignored;
    if (name.starts_with(".") && name.ends_with(".tmp")) continue;
    if (fs::is_directory(fs::symlink_status(from.path() / name, ignored)))
      give_second_names(from.folder(name), to.folder(name));
    else if (is_appended_to(name))
      to.write_atomic(name, from.read(name, kMaxJournalBytes));
    else
      to.link_from(from, name);
  }
}

void remove_folder(const fs::path& path) {
  std::error_code ignored;  // what stays there is in nobody's way
  fs::remove_all(path, ignored);
}

}  // namespace

void renew_run_directory(const Directory& sweep, const Directory& shards, const std::string& id, std::int64_t number,
                         const std::function<bool()>& is_ours) {
  if (!sweep.has(id)) return;
  const std::string fresh = fmt::format("{}.{}{}", id, number, kNewSuffix);
  const std::string old = fmt::format("{}.{}{}", id, number, kOldSuffix);
  give_second_names(sweep.folder(id), shards.folder(fresh));  // step 1
  if (!is_ours()) {
    remove_folder(shards.path() / fresh);
    throw OutputError(fmt::format("{}: another process has taken the run over", (sweep.path() / id).string()));
  }
  if (!sweep.move(id, shards, old)) return remove_folder(shards.path() / fresh);  // step 2
  if (!shards.move(fresh, sweep, id)) return;  // step 3; otherwise the next holder has done it
  if (!is_ours()) {
    sweep.move(id, shards, fresh);
    shards.move(old, sweep, id);
    remove_folder(shards.path() / fresh);
    throw OutputError(fmt::format("{}: another process has taken the run over", (sweep.path() / id).string()));
  }
  remove_folder(shards.path() / old);  // step 4
}

void put_back_run(const Directory& sweep, const Directory& shards, const std::string& id) {
  for (const std::string& name : shards.names()) {
    if (!name.starts_with(id + ".") || !(name.ends_with(kNewSuffix) || name.ends_with(kOldSuffix))) continue;
    const std::string twin = name.substr(0, name.size() - kNewSuffix.size()) + std::string(kOldSuffix);
    if (name.ends_with(kNewSuffix) && shards.has(twin) && !sweep.has(id)) shards.move(name, sweep, id);
  }
  if (!sweep.has(id)) return;
  for (const std::string& name : shards.names())
    if (name.starts_with(id + ".") && (name.ends_with(kNewSuffix) || name.ends_with(kOldSuffix)))
      remove_folder(shards.path() / name);
}

}  // namespace precipice
