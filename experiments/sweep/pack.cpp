// SPDX-License-Identifier: Apache-2.0
#include "experiments/sweep/pack.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <limits>
#include <optional>
#include <system_error>

#include "experiments/sweep/observed_run.h"
#include "metrics/files/bundle.h"
#include "metrics/files/files.h"
#include "metrics/files/input_file.h"
#include "metrics/files/packed_runs.h"
#include "metrics/files/run_files.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kAnySize = std::numeric_limits<std::int64_t>::max();
constexpr std::size_t kRunsAtOnce = 64;  // between two commits: their directories are held open and locked
constexpr int kMostBundles = 10'000;     // of one host

// What lies in a run's directory, sorted: files, and folders without any, whose names end in '/'.
struct Contents {
  std::vector<std::string> names;
  std::string obstacle;  // why it cannot be packed
};
Contents contents_of(const fs::path& run) {
  Contents contents;
  std::error_code error;
  for (fs::recursive_directory_iterator it(run, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().lexically_relative(run).generic_string();
    const fs::file_status status = it->symlink_status(error);
    if (error) break;
    if (name.find_first_of("\n\\") != std::string::npos)
      contents.obstacle = "a file's name has a line break or a backslash in it";
    else if (fs::is_regular_file(status))
      contents.names.push_back(name);
    else if (!fs::is_directory(status))
      contents.obstacle = name + " is neither a file nor a folder";
    else if (fs::is_empty(it->path(), error))
      contents.names.push_back(name + "/");
    if (!contents.obstacle.empty()) break;
  }
  if (error) contents.obstacle = error.message();
  std::sort(contents.names.begin(), contents.names.end());
  return contents;
}

// A run that is being packed: its directory is held, so that nobody begins to write into it.
struct HeldRun {
  std::string id;
  Directory directory;
  Contents contents;
};

// Nothing where the run is none that has ended in a directory.
std::optional<HeldRun> hold(const fs::path& sweep, const std::string& id, std::vector<std::string>& stayed) {
  const fs::path path = sweep / id;
  std::error_code ignored;
  if (!fs::exists(path / kConfigFileName, ignored) || !is_finished(observe_run(path, id).state)) return std::nullopt;
  HeldRun held{id, Directory(path), {}};
  if (!held.directory.try_lock()) {
    stayed.push_back(id + ": another process holds it");
    return std::nullopt;
  }
  held.contents = contents_of(path);
  if (held.contents.obstacle.empty()) return held;
  stayed.push_back(fmt::format("{}: {}", id, held.contents.obstacle));
  return std::nullopt;
}

BundleWriter open_bundle(const Directory& folder, const std::string& bundle, const fs::path& sweep,
                         PackResult& result) {
  for (int number = 1; number <= kMostBundles; ++number) {
    const std::string name = (number == 1 ? bundle : fmt::format("{}-{}", bundle, number)) + kBundleSuffix;
    if (auto writer = BundleWriter::append_to(folder, name, sweep)) {
      result.bundle = folder.path() / name;
      return std::move(*writer);
    }
  }
  throw OutputError(fmt::format("{}: {} bundles are being written to", folder.path().string(), kMostBundles));
}

void append(BundleWriter& writer, const HeldRun& run, PackResult& result) {
  for (const std::string& name : run.contents.names) {
    if (name.ends_with('/')) {
      writer.add(run.id, name, "");
      continue;
    }
    const InputFile file(run.directory.path() / name, kAnySize);
    writer.add(run.id, name, file.bytes());
    file.check_unchanged();
    ++result.files;
    result.bytes += file.bytes().size();
  }
  writer.end_run(run.id);
}

// Read anew, as whoever needs the runs will read it.
void prove(const fs::path& path, const fs::path& sweep, const std::vector<HeldRun>& runs) {
  const Bundle bundle(path, sweep);
  for (const HeldRun& run : runs) {
    if (bundle.files(run.id) != run.contents.names)
      throw DataError(
          fmt::format("{}: {} is not whole after it was written; its directory stays", path.string(), run.id));
    if (const std::string problem = bundle.check(run.id); !problem.empty())
      throw DataError(problem + "; the run's directory stays");
  }
}

void write_new(const Directory& directory, const std::string& name, std::string_view bytes) {
  const FileDescriptor file = directory.create(name);
  try {
    write_all(file.get(), bytes);
    if (::fsync(file.get()) != 0) throw std::system_error(errno, std::generic_category());
  } catch (const std::system_error& error) {
    throw OutputError(fmt::format("{}: cannot write: {}", (directory.path() / name).string(), error.code().message()));
  }
}

// `name` may lie in folders.
void write_below(const Directory& directory, std::string_view name, std::string_view bytes) {
  const std::size_t slash = name.find('/');
  if (slash == std::string_view::npos) return write_new(directory, std::string(name), bytes);
  const Directory folder = directory.folder(std::string(name.substr(0, slash)));
  if (slash + 1 < name.size()) write_below(folder, name.substr(slash + 1), bytes);
  folder.sync();
}

// The directory gets its name when it is whole.
void unpack(const Bundle& bundle, const std::string& id, const Directory& sweep) {
  if (const std::string problem = bundle.check(id); !problem.empty()) throw DataError(problem);
  const std::string temporary = fmt::format(".{}.{}.0.tmp", id, ::getpid());  // directory.h: removed after a kill
  const Directory run = sweep.folder(temporary);
  for (const std::string& name : bundle.files(id))
    write_below(run, name, name.ends_with('/') ? "" : bundle.read(id, name, kAnySize));
  run.sync();
  sweep.rename_folder(temporary, id);
}

}  // namespace

std::string default_bundle_name() {
  std::string name = host_name();
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '_') c = '_';
  return name.empty() ? "runs" : name;
}

std::string pack_line(const PackResult& result) {
  if (result.runs == 0) return "";
  return fmt::format("packed {} run{}, {} files, {:.1f} MB, into {}\n", result.runs, result.runs == 1 ? "" : "s",
                     result.files, static_cast<double>(result.bytes) / 1e6, result.bundle.string());
}

PackResult pack_runs(const fs::path& sweep, const std::vector<std::string>& ids, const std::string& bundle) {
  PackResult result;
  const Directory directory(sweep);
  directory.remove_stale_temporaries();
  for (std::size_t begin = 0; begin < ids.size(); begin += kRunsAtOnce) {
    std::vector<HeldRun> runs;
    for (std::size_t i = begin; i < std::min(ids.size(), begin + kRunsAtOnce); ++i)
      if (auto run = hold(sweep, ids[i], result.stayed)) runs.push_back(std::move(*run));
    if (runs.empty()) continue;
    BundleWriter writer = open_bundle(directory.folder(kPackedFolder), bundle, sweep, result);
    for (const HeldRun& run : runs) append(writer, run, result);
    writer.commit();
    directory.sync();  // the folder may be new
    prove(result.bundle, sweep, runs);
    for (const HeldRun& run : runs) directory.remove_folder(run.id);
    directory.sync();
    result.runs += runs.size();
  }
  return result;
}

UnpackResult unpack_runs(const fs::path& sweep) {
  UnpackResult result;
  const Directory directory(sweep);
  directory.remove_stale_temporaries();
  for (const auto& bundle : bundles_of(sweep)) {
    bool is_emptied = true;
    for (const std::string& id : bundle->runs()) {
      if (directory.has(id)) {
        const bool has_result =
            find_packed_run(sweep / id) == std::nullopt && is_finished(observe_run(sweep / id, id).state);
        if (has_result) continue;
        result.kept.push_back(fmt::format("{}: {} is in the way", bundle->path().string(), (sweep / id).string()));
        is_emptied = false;
        continue;
      }
      unpack(*bundle, id, directory);
      ++result.runs;
    }
    directory.sync();
    if (!bundle->problem().empty())
      result.kept.push_back(fmt::format("{}: its whole runs were taken out; remove it, and the others are trained anew",
                                        bundle->path().string()));
    else if (is_emptied)
      directory.folder(kPackedFolder).remove(bundle->path().filename().string());
  }
  return result;
}

PackResult PackAsTheyEnd::add(const std::string& id) {
  constexpr std::size_t kShare = 16;
  loose_.push_back(id);
  if (loose_.size() < std::max(kLeast, packed_ / kShare)) return {};
  PackResult result = pack_runs(sweep_, loose_, bundle_);
  packed_ += result.runs;
  loose_.clear();
  return result;
}

}  // namespace precipice
