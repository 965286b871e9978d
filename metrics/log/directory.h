// SPDX-License-Identifier: Apache-2.0
// A directory held by its descriptor. Everything is read and written relative to that descriptor (openat, renameat), so
// that it stays in this very directory whoever renames it meanwhile; and before each write the path must still lead to
// the device and inode that were opened, so that nothing is written on in silence where nobody looks for it.
// What lies there may have been made by somebody else: links are never followed for writing, nothing but a regular file
// is written to, and opening a FIFO never waits.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/log/file_descriptor.h"

namespace precipice {

// A whole regular file, opened with O_NONBLOCK; `path` is for messages. Throws DataError.
std::string read_whole(const FileDescriptor& file, const std::filesystem::path& path, std::uint64_t max_bytes);

class Directory {
 public:
  // Opens the directory, which may be reached through links. Throws OutputError.
  Directory(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }

  // Keeps every other process from taking the lock, as long as this object lives; false when another one has it. A file
  // system without locks gives it to all.
  bool try_lock() const;
  void lock() const;  // the same, but waits for the process that has it

  // Throws OutputError when the path does not lead here any more: moved, deleted, or another one in its place. Every
  // function below that writes calls it first.
  void check() const;

  bool has(const std::string& name) const;  // of whatever kind, a link that leads nowhere as well
  std::vector<std::string> names() const;   // of all entries, unsorted; empty when they cannot be read

  // Whole regular file; throws DataError.
  std::string read(const std::string& name, std::uint64_t max_bytes) const;
  // The last bytes of a regular file that is no link; "" when there is none.
  std::string read_tail(const std::string& name, std::size_t bytes) const;

  // Readers see the old file or the new one, never a part: written to a temporary name, fsynced, renamed, directory
  // fsynced. Throws OutputError naming path and reason; the old file stays and no temporary file is left behind. Only a
  // kill leaves one, ".NAME.PID.COUNT.tmp". A link or a FIFO of that name is replaced, a device is refused.
  void write_atomic(const std::string& name, std::string_view bytes) const;

  // A regular file for appending. open_log makes it where it is missing, for writing; open_journal is for reading too,
  // and the file must be there. Both throw OutputError, for a link or anything else that is no regular file as well.
  FileDescriptor open_log(const std::string& name) const;
  FileDescriptor open_journal(const std::string& name) const;

  // A new regular file for writing; a file, link or FIFO of that name is removed first, a device or directory refused.
  FileDescriptor create(const std::string& name) const;

  // A directory inside this one, made where it is missing. Throws OutputError; a link is refused.
  Directory folder(const std::string& name) const;

  void sync() const;  // fsync(2): what was renamed or made in it survives a loss of power. Throws OutputError.
  void remove(const std::string& name) const noexcept;  // a file; that it stays is no error

  // Removes what write_atomic and remove_folder calls of killed processes left: temporary files whose process is gone. For the one owner
  // of a directory, before it starts.
  void remove_stale_temporaries() const;

  // Renames a directory inside this one; OutputError where the new name is taken by anything but an empty directory.
  void rename_folder(const std::string& name, const std::string& new_name) const;
  // Removes a directory with all that is in it, links as links: at once for every reader, by a rename to a temporary
  // name as above, and then file by file. Throws OutputError.
  void remove_folder(const std::string& name) const;

 private:
  Directory(const std::filesystem::path& path, FileDescriptor descriptor);
  FileDescriptor open_regular(const std::string& name, int flags) const;
  FileDescriptor open_new(const std::string& name) const;
  void refuse_device(const std::string& name) const;
  std::string obstacle(const std::string& name, int error) const;

  std::filesystem::path path_;
  FileDescriptor descriptor_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace precipice
