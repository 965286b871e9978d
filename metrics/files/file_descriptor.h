// SPDX-License-Identifier: Apache-2.0
// Owner of one POSIX file descriptor. Files are opened for writing by metrics/directory alone.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <utility>

namespace precipice {

class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int descriptor) : descriptor_(descriptor) {}  // which nobody else closes
  // open(2) with O_CLOEXEC; valid() is false and errno is set when it fails.
  FileDescriptor(const std::filesystem::path& path, int flags, mode_t mode = 0666)
      : descriptor_(::open(path.c_str(), flags | O_CLOEXEC, mode)) {}
  // The same with openat(2), for a name inside an open directory.
  FileDescriptor(const FileDescriptor& directory, const std::string& name, int flags, mode_t mode = 0666)
      : descriptor_(::openat(directory.get(), name.c_str(), flags | O_CLOEXEC, mode)) {}
  FileDescriptor(FileDescriptor&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~FileDescriptor() {
    if (valid()) ::close(descriptor_);
  }

  bool valid() const { return descriptor_ >= 0; }
  int get() const { return descriptor_; }
  int release() { return std::exchange(descriptor_, -1); }  // the caller closes it
  // close(2) now, to see its result: network file systems report a full disk only here.
  int close() { return ::close(std::exchange(descriptor_, -1)); }

 private:
  int descriptor_ = -1;
};

}  // namespace precipice
