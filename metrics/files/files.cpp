// SPDX-License-Identifier: Apache-2.0
// Whole files by path.
#include "metrics/files/files.h"

#include <sys/stat.h>

#include <cerrno>
#include <system_error>

#include "metrics/files/directory.h"
#include "metrics/files/file_descriptor.h"
#include "metrics/files/packed_runs.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

[[noreturn]] void throw_unreadable(const std::filesystem::path& path, const std::string& why) {
  throw DataError(path.string() + ": cannot read: " + why);
}

}  // namespace

std::string system_reason(int error) {
  return std::generic_category().message(error);
}

std::string read_file(const std::filesystem::path& path, std::uint64_t max_bytes) {
  // O_NONBLOCK: opening a FIFO must not wait for a writer.
  const FileDescriptor file(path, O_RDONLY | O_NONBLOCK);
  const int error = errno;
  if (!file.valid() && error == ENOENT)
    if (const auto packed = find_packed(path)) return packed->read(max_bytes);
  errno = error;
  return read_whole(file, path, max_bytes);
}

bool is_there(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::exists(path, error) || error || find_packed(path).has_value();
}

std::string read_whole(const FileDescriptor& file, const std::filesystem::path& path, std::uint64_t max_bytes) {
  if (!file.valid()) throw_unreadable(path, system_reason(errno));
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) throw_unreadable(path, system_reason(errno));
  if (!S_ISREG(status.st_mode)) throw_unreadable(path, "not a regular file");
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size > max_bytes) throw_unreadable(path, join_parts(size, " bytes; at most ", max_bytes, " are allowed"));

  std::string bytes(size, '\0');
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::read(file.get(), bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_unreadable(path, system_reason(errno));
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

void write_file_atomic(const std::filesystem::path& path, std::string_view bytes) {
  const std::filesystem::path parent = path.has_parent_path() ? path.parent_path() : ".";
  struct stat status {};
  const bool there = ::stat(parent.c_str(), &status) == 0;
  if (!there || !S_ISDIR(status.st_mode)) {
    const int error = there ? ENOTDIR : errno;
    throw OutputError(path.string() + ": cannot write: " + system_reason(error));
  }
  Directory(parent).write_atomic(path.filename().string(), bytes);
}

void make_directories(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) throw OutputError(path.string() + ": cannot create directory: " + error.message());
}

}  // namespace precipice
