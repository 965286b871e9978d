// SPDX-License-Identifier: Apache-2.0
// Files are read in pieces by pread(2), which reports what a mapping can only crash on.
#include "metrics/files/input_file.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <mutex>
#include <system_error>
#include <tuple>

#include "metrics/files/file_descriptor.h"
#include "metrics/files/files.h"
#include "metrics/files/sha256.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

constexpr std::size_t kPieceBytes = 1 << 20;
constexpr std::int64_t kSettledNanoseconds = 2'000'000'000;  // the coarsest clock of a file system

[[noreturn]] void throw_unreadable(const std::string& name, const std::string& why) {
  throw DataError(name + ": cannot read: " + why);
}

// What changes when the contents do.
using Stamp = std::tuple<dev_t, ino_t, off_t, std::int64_t, std::int64_t>;

std::int64_t nanoseconds(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

std::int64_t now_in_nanoseconds() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return nanoseconds(now);
}

struct stat status_of(int descriptor, const std::string& name) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) throw_unreadable(name, system_reason(errno));
  return status;
}

Stamp stamp_of(const struct stat& status) {
  return {status.st_dev, status.st_ino, status.st_size, nanoseconds(status.st_mtim), nanoseconds(status.st_ctim)};
}

// Hashes of the files that this process has read.
struct KnownHashes {
  std::mutex mutex;
  std::map<Stamp, std::string> by_stamp;
};
KnownHashes& known_hashes() {
  static KnownHashes known;
  return known;
}

// Fills `buffer` from `offset` on; fewer bytes at the end of the file.
std::size_t read_piece(int descriptor, const std::string& name, std::string& buffer, std::uint64_t offset) {
  std::size_t done = 0;
  while (done < buffer.size()) {
    const ssize_t n =
        ::pread(descriptor, buffer.data() + done, buffer.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_unreadable(name, system_reason(errno));
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  return done;
}

// What a file that another process is writing must not become: a hash of half the old and half the new contents.
std::string hash_of(int descriptor, const std::string& name) {
  const Stamp stamp = stamp_of(status_of(descriptor, name));
  {
    const std::lock_guard lock(known_hashes().mutex);
    const auto found = known_hashes().by_stamp.find(stamp);
    if (found != known_hashes().by_stamp.end()) return found->second;
  }
  Sha256 sha256;
  std::string buffer(kPieceBytes, '\0');
  std::uint64_t offset = 0;
  while (const std::size_t size = read_piece(descriptor, name, buffer, offset)) {
    sha256.update({buffer.data(), size});
    offset += size;
  }
  if (stamp_of(status_of(descriptor, name)) != stamp)
    throw DataError(name + ": another process changed it while it was being read");
  const std::string hex = sha256.hex();
  // A file that was written just now may be written once more within the same tick of its file system's clock.
  if (std::max(std::get<3>(stamp), std::get<4>(stamp)) > now_in_nanoseconds() - kSettledNanoseconds) return hex;
  const std::lock_guard lock(known_hashes().mutex);
  known_hashes().by_stamp[stamp] = hex;
  return hex;
}

FileDescriptor open_regular(const std::filesystem::path& path) {
  FileDescriptor file(path, O_RDONLY | O_NONBLOCK);  // opening a FIFO must not wait for a writer
  if (!file.valid()) throw_unreadable(path.string(), system_reason(errno));
  if (!S_ISREG(status_of(file.get(), path.string()).st_mode)) throw_unreadable(path.string(), "not a regular file");
  return file;
}

}  // namespace

struct InputFile::Impl {
  std::string name;
  std::string held;     // the bytes of a small file
  FileDescriptor file;  // of a mapped one, which may have lost its name meanwhile
  void* mapping = nullptr;
  std::size_t size = 0;  // of the mapping
  mutable std::string sha256;
  mutable std::mutex mutex;       // of what check_unchanged remembers
  mutable std::int64_t time = 0;  // of the last change to the mapped file that is known to have changed nothing

  ~Impl() {
    if (mapping != nullptr) ::munmap(mapping, size);
  }
};

InputFile::InputFile(const std::filesystem::path& path, std::uint64_t max_bytes) : impl_(std::make_unique<Impl>()) {
  impl_->name = path.string();
  FileDescriptor file = open_regular(path);
  const struct stat status = status_of(file.get(), impl_->name);
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size > max_bytes) throw_unreadable(impl_->name, join_parts(size, " bytes; at most ", max_bytes, " are allowed"));
  if (size <= kMappedBytes) {
    impl_->held = read_file(path, max_bytes);
    return;
  }
  impl_->size = size;
  impl_->time = nanoseconds(status.st_mtim);
  void* mapping = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.get(), 0);
  if (mapping == MAP_FAILED) throw_unreadable(impl_->name, system_reason(errno));
  impl_->mapping = mapping;
  ::madvise(mapping, size, MADV_RANDOM);  // windows of a few kilobytes: what lies around them is not wanted
  impl_->file = std::move(file);
}

InputFile::InputFile(std::string bytes, std::string name) : impl_(std::make_unique<Impl>()) {
  impl_->name = std::move(name);
  impl_->held = std::move(bytes);
}

InputFile::~InputFile() = default;
InputFile::InputFile(InputFile&&) noexcept = default;
InputFile& InputFile::operator=(InputFile&&) noexcept = default;

const std::string& InputFile::name() const {
  return impl_->name;
}

std::string_view InputFile::bytes() const {
  if (impl_->mapping == nullptr) return impl_->held;
  return {static_cast<const char*>(impl_->mapping), impl_->size};
}

std::string InputFile::sha256() const {
  if (impl_->sha256.empty())
    impl_->sha256 = impl_->mapping == nullptr ? sha256_hex(impl_->held) : hash_of(impl_->file.get(), impl_->name);
  return impl_->sha256;
}

void InputFile::for_each_piece(std::size_t first_byte, const std::function<void(std::string_view)>& look) const {
  if (impl_->mapping == nullptr) return look(std::string_view(impl_->held).substr(first_byte));
  std::string buffer(kPieceBytes, '\0');
  std::uint64_t offset = first_byte;
  while (const std::size_t size = read_piece(impl_->file.get(), impl_->name, buffer, offset)) {
    look({buffer.data(), size});
    offset += size;
  }
}

void InputFile::check_unchanged() const {
  if (impl_->mapping == nullptr) return;
  const std::lock_guard lock(impl_->mutex);
  const struct stat status = status_of(impl_->file.get(), impl_->name);
  if (nanoseconds(status.st_mtim) == impl_->time && static_cast<std::size_t>(status.st_size) == impl_->size) return;
  // A new time alone is no change.
  const std::string now = hash_of(impl_->file.get(), impl_->name);
  if (now != sha256())
    throw DataError(join_parts(impl_->name, ": another process changed it while it was in use: SHA-256 ", impl_->sha256,
                               " before, ", now, " now"));
  impl_->time = nanoseconds(status.st_mtim);
}

std::string sha256_of_file(const std::filesystem::path& path) {
  const FileDescriptor file = open_regular(path);
  return hash_of(file.get(), path.string());
}

}  // namespace precipice
