// SPDX-License-Identifier: Apache-2.0
#include "metrics/files/packed_runs.h"

#include <sys/stat.h>

#include <algorithm>
#include <functional>
#include <map>
#include <mutex>
#include <tuple>

#include "metrics/files/run_files.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

namespace fs = std::filesystem;

using BundleStamp = std::tuple<dev_t, ino_t, off_t, std::int64_t, std::int64_t>;

std::optional<BundleStamp> stamp_of_path(const fs::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return std::nullopt;
  return BundleStamp{status.st_dev, status.st_ino, status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
}

struct OpenBundle {
  BundleStamp stamp;
  std::shared_ptr<const Bundle> bundle;
};

// Of one sweep.
struct OpenBundles {
  std::map<std::string, OpenBundle> by_name;
  std::map<std::string, std::shared_ptr<const Bundle>, std::less<>> by_run;
};

struct Cache {
  std::mutex mutex;
  std::map<fs::path, OpenBundles> sweeps;
};
Cache& cache() {
  static Cache opened;
  return opened;
}

std::vector<std::string> bundle_names(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name.ends_with(kBundleSuffix) && !name.starts_with('.')) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

// The lock is held.
const OpenBundles& current(const fs::path& sweep) {
  OpenBundles& opened = cache().sweeps[sweep];
  const fs::path folder = sweep / kPackedFolder;
  std::map<std::string, OpenBundle> now;
  bool is_same = true;
  for (const std::string& name : bundle_names(folder)) {
    const auto stamp = stamp_of_path(folder / name);
    if (!stamp) continue;  // removed just now
    const auto before = opened.by_name.find(name);
    if (before != opened.by_name.end() && before->second.stamp == *stamp) {
      now[name] = before->second;
      continue;
    }
    is_same = false;
    now[name] = {*stamp, std::make_shared<const Bundle>(folder / name, sweep)};
  }
  if (is_same && now.size() == opened.by_name.size()) return opened;
  opened.by_name = std::move(now);
  opened.by_run.clear();
  for (const auto& [name, entry] : opened.by_name)
    for (std::string& id : entry.bundle->runs()) opened.by_run.try_emplace(std::move(id), entry.bundle);
  return opened;
}

bool is_missing(const fs::path& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) != 0;
}

// SWEEP, id and what lies below, where a part of the path's end is a run's id: SWEEP/<id>, SWEEP/<id>/FILE or
// SWEEP/<id>/FOLDER/FILE.
struct RunPath {
  fs::path sweep;
  std::string id, file;
};
std::optional<RunPath> run_path_of(const fs::path& path) {
  fs::path at = path.lexically_normal();
  if (!at.has_filename()) at = at.parent_path();  // ended in a slash
  std::string file;
  for (int depth = 0; depth < 3 && at.has_filename(); ++depth, at = at.parent_path()) {
    const std::string name = at.filename().string();
    if (is_run_id(name)) return RunPath{at.has_parent_path() ? at.parent_path() : fs::path("."), name, file};
    file = file.empty() ? name : name + "/" + file;
  }
  return std::nullopt;
}

std::shared_ptr<const Bundle> find_bundle(const RunPath& run) {
  if (!is_missing(run.sweep / run.id / kConfigFileName) || is_missing(run.sweep / kPackedFolder)) return nullptr;
  const std::lock_guard lock(cache().mutex);
  // What a bundle has, it keeps: only what is not known yet is looked for anew.
  const auto& known = cache().sweeps[run.sweep].by_run;
  if (const auto found = known.find(run.id); found != known.end()) return found->second;
  const auto& by_run = current(run.sweep).by_run;
  const auto found = by_run.find(run.id);
  return found == by_run.end() ? nullptr : found->second;
}

}  // namespace

std::vector<std::shared_ptr<const Bundle>> bundles_of(const fs::path& sweep) {
  const std::lock_guard lock(cache().mutex);
  std::vector<std::shared_ptr<const Bundle>> bundles;
  for (const auto& [name, entry] : current(sweep).by_name) bundles.push_back(entry.bundle);
  return bundles;
}

void check_bundles(const fs::path& sweep) {
  for (const auto& bundle : bundles_of(sweep))
    if (!bundle->problem().empty()) throw DataError(bundle->problem());
}

std::optional<PackedFile> find_packed_run(const fs::path& run_directory) {
  const auto run = run_path_of(run_directory);
  auto bundle = run && run->file.empty() ? find_bundle(*run) : nullptr;
  return bundle ? std::optional(PackedFile{std::move(bundle), run->id, ""}) : std::nullopt;
}

std::optional<PackedFile> find_packed(const fs::path& path) {
  const auto run = run_path_of(path);
  if (!run || run->file.empty()) return std::nullopt;
  auto bundle = find_bundle(*run);
  if (!bundle || !bundle->has(run->id, run->file)) return std::nullopt;
  return PackedFile{std::move(bundle), run->id, run->file};
}

std::vector<std::string> packed_names(const fs::path& folder) {
  const auto run = run_path_of(folder);
  const auto bundle = run ? find_bundle(*run) : nullptr;
  std::vector<std::string> names;
  if (!bundle) return names;
  const std::string prefix = run->file.empty() ? "" : run->file + "/";
  for (const std::string& file : bundle->files(run->id))
    if (file.starts_with(prefix) && file.find('/', prefix.size()) == std::string::npos && file.size() > prefix.size())
      names.push_back(file.substr(prefix.size()));
  return names;
}

}  // namespace precipice
