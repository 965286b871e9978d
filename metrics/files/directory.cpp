// SPDX-License-Identifier: Apache-2.0
// The only place of the program that opens files for writing, but for standard streams.
// Order of a safe replacement: write all, fsync the file, rename, fsync the directory (otherwise the rename itself may
// be lost with the power). The temporary file lies in the same directory, since rename(2) does not cross file systems.
#include "metrics/files/directory.h"

#include <dirent.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <memory>
#include <system_error>

#include "metrics/files/files.h"
#include "precision/base/check.h"
#include "precision/base/parse_number.h"

namespace precipice {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void throw_unwritable(const fs::path& path, const std::string& why) {
  throw OutputError(path.string() + ": cannot write: " + why);
}

std::string kind_of(mode_t mode) {
  if (S_ISLNK(mode)) return "a symbolic link";
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a FIFO";
  return S_ISSOCK(mode) ? "a socket" : "a device";
}

std::string temporary_name(const std::string& name) {
  static std::atomic<std::uint64_t> count{0};
  return join_parts(".", name, ".", ::getpid(), ".", count.fetch_add(1), ".tmp");
}

// The process id in ".NAME.PID.COUNT.tmp", or -1 for any other name.
pid_t writer_of(const std::string& name) {
  if (!name.starts_with(".") || !name.ends_with(".tmp")) return -1;
  const std::size_t count_dot = name.rfind('.', name.size() - 5);
  if (count_dot == std::string::npos || count_dot == 0) return -1;
  const std::size_t pid_dot = name.rfind('.', count_dot - 1);
  if (pid_dot == std::string::npos) return -1;
  const auto pid = parse_number<pid_t>(std::string_view(name).substr(pid_dot + 1, count_dot - pid_dot - 1));
  return pid && *pid > 0 ? *pid : -1;
}

bool is_regular(const FileDescriptor& file) {
  struct stat status {};
  return ::fstat(file.get(), &status) == 0 && S_ISREG(status.st_mode);
}

FileStamp to_stamp(const struct stat& status) {
  constexpr std::int64_t kNanoseconds = 1'000'000'000;
  return {status.st_dev, status.st_ino, status.st_mtim.tv_sec * kNanoseconds + status.st_mtim.tv_nsec,
          static_cast<std::uint64_t>(status.st_nlink)};
}

}  // namespace

std::optional<FileStamp> stamp_of(const FileDescriptor& file) {
  struct stat status {};
  if (!file.valid() || ::fstat(file.get(), &status) != 0) return std::nullopt;  // ESTALE of NFS: deleted elsewhere
  return to_stamp(status);
}

bool touch(const FileDescriptor& file) {
  if (!file.valid() || ::futimens(file.get(), nullptr) != 0) return false;
  const auto stamp = stamp_of(file);
  return stamp && stamp->links > 0;
}

Directory::Directory(const fs::path& path) : Directory(path, FileDescriptor(path, O_RDONLY | O_DIRECTORY)) {}

Directory::Directory(const fs::path& path, FileDescriptor descriptor)
    : path_(path), descriptor_(std::move(descriptor)) {
  struct stat status {};
  if (!descriptor_.valid() || ::fstat(descriptor_.get(), &status) != 0)
    throw OutputError(path_.string() + ": cannot open the directory: " + system_reason(errno));
  device_ = status.st_dev;
  inode_ = status.st_ino;
}

bool Directory::try_lock() const {
  return ::flock(descriptor_.get(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

void Directory::lock() const {
  while (::flock(descriptor_.get(), LOCK_EX) != 0 && errno == EINTR) continue;
}

void Directory::check() const {
  if (guard_) guard_();
  struct stat now {};
  const bool there = ::stat(path_.c_str(), &now) == 0;
  if (there && now.st_dev == device_ && now.st_ino == inode_) return;
  if (!there && errno != ENOENT && errno != ENOTDIR) throw_unwritable(path_, system_reason(errno));
  throw OutputError(path_.string() +
                    (there ? ": the directory was moved, and another one is in its place now"
                           : ": the directory was moved or deleted") +
                    "; nothing more was written");
}

bool Directory::has(const std::string& name) const {
  struct stat status {};
  return ::fstatat(descriptor_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
}

std::vector<std::string> Directory::names() const {
  FileDescriptor again(descriptor_, ".", O_RDONLY | O_DIRECTORY);  // with a position of its own
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(again.valid() ? ::fdopendir(again.get()) : nullptr, ::closedir);
  std::vector<std::string> names;
  if (!stream) return names;
  again.release();  // the stream's now
  while (const dirent* entry = ::readdir(stream.get())) names.emplace_back(entry->d_name);
  std::erase_if(names, [](const std::string& name) { return name == "." || name == ".."; });
  return names;
}

std::string Directory::read(const std::string& name, std::uint64_t max_bytes) const {
  const fs::path path = path_ / name;
  return read_whole(FileDescriptor(descriptor_, name, O_RDONLY | O_NONBLOCK), path, max_bytes);
}

std::string Directory::read_tail(const std::string& name, std::size_t bytes) const {
  const FileDescriptor file(descriptor_, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
  struct stat status {};
  if (!file.valid() || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return "";
  const auto size = static_cast<std::uint64_t>(status.st_size);
  std::string tail(static_cast<std::size_t>(std::min<std::uint64_t>(size, bytes)), '\0');
  const ssize_t count = ::pread(file.get(), tail.data(), tail.size(), static_cast<off_t>(size - tail.size()));
  tail.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  return tail;
}

// What stands in the way where a regular file was to be opened: its kind, or else what the system said.
std::string Directory::obstacle(const std::string& name, int error) const {
  struct stat status {};
  if (::fstatat(descriptor_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 || S_ISREG(status.st_mode))
    return system_reason(error);
  return "it is " + kind_of(status.st_mode) + ", which is not written to; remove it";
}

FileDescriptor Directory::open_regular(const std::string& name, int flags) const {
  check();
  FileDescriptor file(descriptor_, name, flags | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  const int error = file.valid() ? EINVAL : errno;
  if (!is_regular(file)) throw_unwritable(path_ / name, obstacle(name, error));
  return file;
}

FileDescriptor Directory::open_log(const std::string& name) const {
  return open_regular(name, O_WRONLY | O_CREAT);
}

FileDescriptor Directory::open_journal(const std::string& name) const {
  return open_regular(name, O_RDWR);
}

// A file that did not exist before: what somebody laid in its place is removed, not written to. Throws
// std::system_error.
FileDescriptor Directory::open_new(const std::string& name) const {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
  FileDescriptor file(descriptor_, name, kFlags);
  if (!file.valid() && errno == EEXIST && ::unlinkat(descriptor_.get(), name.c_str(), 0) == 0)
    file = FileDescriptor(descriptor_, name, kFlags);
  if (!file.valid()) throw std::system_error(errno, std::generic_category());
  return file;
}

void Directory::refuse_device(const std::string& name) const {
  struct stat old {};
  if (::fstatat(descriptor_.get(), name.c_str(), &old, AT_SYMLINK_NOFOLLOW) == 0 &&
      (S_ISCHR(old.st_mode) || S_ISBLK(old.st_mode)))
    throw_unwritable(path_ / name, "it is a device");
}

FileDescriptor Directory::create(const std::string& name) const {
  check();
  refuse_device(name);
  try {
    return open_new(name);
  } catch (const std::system_error& error) {
    throw_unwritable(path_ / name, error.code().message());
  }
}

void Directory::write_atomic(const std::string& name, std::string_view bytes) const {
  check();
  refuse_device(name);
  const std::string temporary = temporary_name(name);
  try {
    FileDescriptor file = open_new(temporary);
    write_all(file.get(), bytes);
    if (::fsync(file.get()) != 0 || file.close() != 0 ||
        ::renameat(descriptor_.get(), temporary.c_str(), descriptor_.get(), name.c_str()) != 0)
      throw std::system_error(errno, std::generic_category());
  } catch (const std::system_error& error) {
    remove(temporary);
    throw_unwritable(path_ / name, error.code().message());
  }
  sync();
}

void Directory::sync() const {
  // EINVAL: a file system that cannot sync directories.
  if (::fsync(descriptor_.get()) != 0 && errno != EINVAL) throw_unwritable(path_, system_reason(errno));
}

Directory Directory::folder(const std::string& name) const {
  check();
  const fs::path path = path_ / name;
  if (::mkdirat(descriptor_.get(), name.c_str(), 0777) != 0 && errno != EEXIST)
    throw OutputError(path.string() + ": cannot create directory: " + system_reason(errno));
  FileDescriptor inner(descriptor_, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  const int error = errno;
  struct stat status {};
  if (!inner.valid() && ::fstatat(descriptor_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
      !S_ISDIR(status.st_mode))
    throw_unwritable(path, "it is " + kind_of(status.st_mode) + " where a directory is needed; remove it");
  if (!inner.valid()) throw_unwritable(path, system_reason(error));
  Directory folder(path, std::move(inner));
  folder.guard_ = guard_;
  return folder;
}

bool Directory::make_exclusive(const std::string& name, std::string_view bytes, const std::string& unique) const {
  check();
  const std::string temporary = join_parts(".", name, ".", unique, ".tmp");
  bool made = false;
  int error = 0;
  try {
    FileDescriptor file = open_new(temporary);
    write_all(file.get(), bytes);
    // NFS sends what was written when the file is closed: a name must never stand for half of it.
    if (file.close() != 0) throw std::system_error(errno, std::generic_category());
    made = ::linkat(descriptor_.get(), temporary.c_str(), descriptor_.get(), name.c_str(), 0) == 0;
    error = errno;
    // NFS may lose the answer to a link that was made, and say EEXIST to the request sent again: the count is right.
    struct stat status {};
    if (!made && ::fstatat(descriptor_.get(), temporary.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0)
      made = status.st_nlink == 2;
  } catch (const std::system_error& failure) {
    remove(temporary);
    throw_unwritable(path_ / name, failure.code().message());
  }
  remove(temporary);
  if (!made && error != EEXIST) throw_unwritable(path_ / name, "link: " + system_reason(error));
  return made;
}

void Directory::link_from(const Directory& other, const std::string& name) const {
  check();
  if (::linkat(other.descriptor_.get(), name.c_str(), descriptor_.get(), name.c_str(), 0) != 0)
    throw_unwritable(path_ / name, "link: " + system_reason(errno));
}

bool Directory::move(const std::string& name, const Directory& target, const std::string& new_name) const {
  if (::renameat(descriptor_.get(), name.c_str(), target.descriptor_.get(), new_name.c_str()) == 0) return true;
  if (errno != ENOENT) throw_unwritable(target.path_ / new_name, system_reason(errno));
  return false;
}

FileDescriptor Directory::open_for_reading(const std::string& name) const {
  FileDescriptor file(descriptor_, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
  return is_regular(file) ? std::move(file) : FileDescriptor();
}

std::optional<FileStamp> Directory::stamp(const std::string& name) const {
  struct stat status {};
  if (::fstatat(descriptor_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return std::nullopt;
  return to_stamp(status);
}

void Directory::remove(const std::string& name) const noexcept {
  ::unlinkat(descriptor_.get(), name.c_str(), 0);
}

void Directory::remove_stale_temporaries() const {
  for (const std::string& name : names()) {
    const pid_t pid = writer_of(name);
    if (pid <= 0 || ::kill(pid, 0) == 0 || errno != ESRCH) continue;
    remove(name);
    std::error_code still_there;
    if (has(name)) fs::remove_all(path_ / name, still_there);  // a directory
  }
}

void Directory::rename_folder(const std::string& name, const std::string& new_name) const {
  check();
  if (::renameat(descriptor_.get(), name.c_str(), descriptor_.get(), new_name.c_str()) != 0)
    throw_unwritable(path_ / new_name, system_reason(errno));
}

void Directory::remove_folder(const std::string& name) const {
  const std::string temporary = temporary_name(name);
  rename_folder(name, temporary);
  std::error_code error;
  fs::remove_all(path_ / temporary, error);
  if (error) throw_unwritable(path_ / temporary, error.message());
}

}  // namespace precipice
