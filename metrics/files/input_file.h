// SPDX-License-Identifier: Apache-2.0
// A file of the user's that is only read: its bytes, its SHA-256, and whether another process changed it since. A small
// file is held in memory; a large one is mapped, so that it costs memory only where it is looked at.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace precipice {

class InputFile {
 public:
  static constexpr std::uint64_t kMappedBytes = std::uint64_t{64} << 20;  // files beyond this are mapped

  // Throws DataError naming the path for anything but a regular file of at most max_bytes.
  InputFile(const std::filesystem::path& path, std::uint64_t max_bytes);
  // Bytes that are in memory already; `name` is for messages.
  InputFile(std::string bytes, std::string name);
  ~InputFile();
  InputFile(InputFile&&) noexcept;
  InputFile& operator=(InputFile&&) noexcept;

  const std::string& name() const;
  std::string_view bytes() const;
  // 64 lower-case hex digits. Read from the file once, in pieces, and remembered for the process as long as the file
  // keeps its inode, size and times.
  std::string sha256() const;
  // Calls `look` with the whole file in pieces, in order, each but the last a multiple of 8 bytes, beginning at
  // `first_byte`; the memory of a piece is given back after the call.
  void for_each_piece(std::size_t first_byte, const std::function<void(std::string_view)>& look) const;
  // Throws DataError when the contents of a mapped file are no longer those that sha256() gave. To be called before the
  // bytes are used again after a while: a mapping shows what others write, and ends the process where they cut.
  void check_unchanged() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The SHA-256 of a regular file of any size, as InputFile gives it.
std::string sha256_of_file(const std::filesystem::path& path);

}  // namespace precipice
