// SPDX-License-Identifier: Apache-2.0
// A bundle: run directories in one file, as a zip archive without compression that unzip, Python's zipfile and (run.h5 being a
// file in memory) h5py read. Entries, in this order:
//   precipice-bundle          the version, and a sentence for whoever looks inside
//   <id>/<file>, ...          a run's files; a folder without files as <id>/<folder>/
//   SHA256SUMS/<id>           what sha256sum --check reads: a run is whole once it has this
// Runs are only ever appended: entries behind the list that ends the archive, then a new list of all, then fsync. An older
// list stays where it was and is passed over by every reader, so that whatever a kill leaves behind, the file up to the end of
// an older list is whole. The archive's comment has the version and the CRC-32C of the list.
// (libzip and minizip write a new archive beside the old one or into the old list's place, and neither calls fsync.)
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/files/directory.h"
#include "metrics/files/file_descriptor.h"
#include "metrics/files/zip_format.h"

namespace precipice {

inline constexpr int kBundleVersion = 1;
inline constexpr const char* kBundleSuffix = ".zip";

class Bundle {
 public:
  // Reads the list. Throws DataError naming the file: no bundle, one of another version, or damaged. `sweep`: the directory
  // whose runs are in it, for telling what a kill left from what was lost.
  Bundle(const std::filesystem::path& path, const std::filesystem::path& sweep);

  const std::filesystem::path& path() const { return path_; }
  // "" or why the bundle must not be relied on: it was cut short, and runs of it are lost that are not in the sweep's
  // directory either. What is whole can still be read. What a kill left of an append is no problem: its runs are still there.
  const std::string& problem() const { return problem_; }

  bool has_run(std::string_view id) const;
  std::vector<std::string> runs() const;                           // ids of whole runs, sorted
  std::vector<std::string> files(const std::string& id) const;     // inside the run, sorted; folders end in '/'
  bool has(const std::string& id, const std::string& file) const;  // of a whole run
  // The bytes, compared with their CRC-32. Throws DataError naming the bundle and the entry.
  std::string read(const std::string& id, const std::string& file, std::uint64_t max_bytes) const;
  // "" when the files of a whole run are those that SHA256SUMS says, otherwise what is wrong.
  std::string check(const std::string& id) const;

  // For appending: all entries of the last whole list, and where it ends.
  const std::map<std::string, zip_format::Entry>& entries() const { return entries_; }
  std::uint64_t whole_bytes() const { return whole_bytes_; }

 private:
  void read_list(std::uint64_t file_bytes);
  bool take_list(const zip_format::End& end);
  void look_behind_list(std::uint64_t file_bytes, const std::filesystem::path& sweep);
  std::string read_entry(const zip_format::Entry& entry, std::uint64_t max_bytes) const;
  std::string read_at(std::uint64_t offset, std::uint64_t bytes) const;
  [[noreturn]] void refuse(const std::string& why) const;

  std::filesystem::path path_;
  FileDescriptor file_;
  std::map<std::string, zip_format::Entry> entries_;
  std::uint64_t whole_bytes_ = 0;
  std::string problem_;
};

class BundleWriter {
 public:
  // Opens a bundle for appending, which is made where it is missing, and cuts what a kill left of an append. Nothing where
  // another process of this host is writing to it. Throws OutputError, and DataError where the bundle has a problem.
  static std::optional<BundleWriter> append_to(const Directory& folder, const std::string& name,
                                               const std::filesystem::path& sweep);

  // One run: add its files, then its end. Throws OutputError, after which the file is as it was before the call of add that
  // began the runs since the last commit.
  void add(const std::string& id, const std::string& file, std::string_view bytes);
  void end_run(const std::string& id);
  // Writes the list, and waits until everything is on the disk. Throws OutputError.
  void commit();

 private:
  BundleWriter(const Directory& folder, const std::string& name);
  void append(zip_format::Entry entry, std::string_view bytes);
  void write(std::string_view bytes);

  std::filesystem::path path_;
  FileDescriptor file_;  // holds a lock
  std::map<std::string, zip_format::Entry> entries_;
  std::map<std::string, std::string> sums_;  // lines of SHA256SUMS, of runs not ended yet
  std::uint64_t size_ = 0, committed_ = 0;
};

}  // namespace precipice
