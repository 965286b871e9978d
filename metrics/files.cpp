// SPDX-License-Identifier: Apache-2.0
// Order of a safe replacement: write all, fsync the file, rename, fsync the directory (otherwise the rename itself may
// be lost with the power). The temporary file lies in the same directory, since rename(2) does not cross file systems.
#include "metrics/files.h"

#include <signal.h>
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <system_error>

#include "metrics/file_descriptor.h"
#include "precision/check.h"

namespace precipice {
namespace {

std::string reason(int error) {
  return std::generic_category().message(error);
}

[[noreturn]] void throw_unreadable(const std::filesystem::path& path, const std::string& why) {
  throw DataError(path.string() + ": cannot read: " + why);
}

[[noreturn]] void throw_unwritable(const std::filesystem::path& path, const std::string& why) {
  throw OutputError(path.string() + ": cannot write: " + why);
}

std::filesystem::path temporary_name(const std::filesystem::path& path) {
  static std::atomic<std::uint64_t> count{0};
  return path.parent_path() /
         join_parts(".", path.filename().string(), ".", ::getpid(), ".", count.fetch_add(1), ".tmp");
}

// The process id in ".NAME.PID.COUNT.tmp", or -1 for any other name.
pid_t writer_of(const std::string& name) {
  if (!name.starts_with(".") || !name.ends_with(".tmp")) return -1;
  const std::size_t count_dot = name.rfind('.', name.size() - 5);
  if (count_dot == std::string::npos || count_dot == 0) return -1;
  const std::size_t pid_dot = name.rfind('.', count_dot - 1);
  if (pid_dot == std::string::npos) return -1;
  pid_t pid = -1;
  const char* const end = name.data() + count_dot;
  const auto result = std::from_chars(name.data() + pid_dot + 1, end, pid);
  return result.ec == std::errc() && result.ptr == end && pid > 0 ? pid : -1;
}

void write_and_sync(const std::filesystem::path& path, std::string_view bytes) {
  FileDescriptor file(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW);
  if (!file.valid()) throw std::system_error(errno, std::generic_category());
  write_all(file.get(), bytes);
  if (::fsync(file.get()) != 0 || file.close() != 0) throw std::system_error(errno, std::generic_category());
}

}  // namespace

std::string read_file(const std::filesystem::path& path, std::uint64_t max_bytes) {
  // O_NONBLOCK: opening a FIFO must not wait for a writer.
  const FileDescriptor file(path, O_RDONLY | O_NONBLOCK);
  if (!file.valid()) throw_unreadable(path, reason(errno));
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) throw_unreadable(path, reason(errno));
  if (!S_ISREG(status.st_mode)) throw_unreadable(path, "not a regular file");
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size > max_bytes) throw_unreadable(path, join_parts(size, " bytes; at most ", max_bytes, " are allowed"));

  std::string bytes(size, '\0');
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::read(file.get(), bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_unreadable(path, reason(errno));
    if (n == 0) break;  // another process cut the file meanwhile
    done += static_cast<std::size_t>(n);
  }
  bytes.resize(done);
  return bytes;
}

void write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(descriptor, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw std::system_error(errno, std::generic_category());
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

void sync_directory(const std::filesystem::path& directory) {
  const std::filesystem::path name = directory.empty() ? "." : directory;
  const FileDescriptor file(name, O_RDONLY | O_DIRECTORY);
  if (!file.valid()) throw_unwritable(name, reason(errno));
  // EINVAL: a file system that cannot sync directories.
  if (::fsync(file.get()) != 0 && errno != EINVAL) throw_unwritable(name, reason(errno));
}

void write_file_atomic(const std::filesystem::path& path, std::string_view bytes) {
  const std::filesystem::path temporary = temporary_name(path);
  try {
    write_and_sync(temporary, bytes);
    if (::rename(temporary.c_str(), path.c_str()) != 0) throw std::system_error(errno, std::generic_category());
  } catch (const std::system_error& error) {
    ::unlink(temporary.c_str());
    throw_unwritable(path, error.code().message());
  }
  sync_directory(path.parent_path());
}

void remove_stale_temporaries(const std::filesystem::path& directory) {
  std::error_code ignored;
  for (std::filesystem::directory_iterator it(directory, ignored), end; it != end; it.increment(ignored)) {
    const pid_t pid = writer_of(it->path().filename().string());
    if (pid > 0 && ::kill(pid, 0) != 0 && errno == ESRCH) ::unlink(it->path().c_str());
  }
}

void make_directories(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) throw OutputError(path.string() + ": cannot create directory: " + error.message());
}

}  // namespace precipice
