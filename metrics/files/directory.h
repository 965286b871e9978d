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
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "metrics/files/file_descriptor.h"

namespace precipice {

// A whole regular file, opened with O_NONBLOCK; `path` is for messages. Throws DataError.
std::string read_whole(const FileDescriptor& file, const std::filesystem::path& path, std::uint64_t max_bytes);

// What tells one file from another of its name, and whether it was written to since.
struct FileStamp {
  dev_t device = 0;
  ino_t inode = 0;
  std::int64_t changed = 0;  // mtime, nanoseconds since 1970 by the clock of the file system
  std::uint64_t links = 0;   // names that the file has; 0: deleted
  bool operator==(const FileStamp&) const = default;
};
std::optional<FileStamp> stamp_of(const FileDescriptor& file);
// Sets the file's mtime to the present time of the file system (on NFS the server's); false where the file is gone.
bool touch(const FileDescriptor& file);

class Directory {
 public:
  // Opens the directory, which may be reached through links. Throws OutputError.
  Directory(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }

  // Keeps every other process from taking the lock, as long as this object lives; false when another one has it. A file
  // system without locks gives it to all.
  bool try_lock() const;
  void lock() const;  // the same, but waits for the process that has it

  // Throws OutputError when the path does not lead here any more: moved, deleted, or another one in its place; and what
  // the guard throws. Every function below that writes calls it first.
  void check() const;
  // `guard` throws where this process may write here no more, since another one has taken over. Folders that are opened
  // from now on have it as well.
  void set_guard(std::function<void()> guard) { guard_ = std::move(guard); }

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

  // A whole file under a name that must be free; false where it is taken. Of several processes on any hosts that make one
  // name, exactly one gets true: the bytes are written under a name of their own, ".NAME.UNIQUE.tmp" (`unique` is no
  // other process's), and link(2) gives them the other, which is atomic on NFS and Lustre too. Throws OutputError, also
  // where the file system has no hard links.
  bool make_exclusive(const std::string& name, std::string_view bytes, const std::string& unique) const;
  // A further name here for a file of `other`, by link(2). Throws OutputError.
  void link_from(const Directory& other, const std::string& name) const;
  // rename(2) into `target`, a directory of the same file system; false where nothing of that name is here. Throws
  // OutputError. The files of a directory that is moved are not looked at: it needs no check().
  bool move(const std::string& name, const Directory& target, const std::string& new_name) const;
  // A regular file that is no link, for reading; invalid where there is none.
  FileDescriptor open_for_reading(const std::string& name) const;
  std::optional<FileStamp> stamp(const std::string& name) const;  // nothing where there is no such entry

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
  std::function<void()> guard_;
};

}  // namespace precipice
