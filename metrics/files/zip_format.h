// SPDX-License-Identifier: Apache-2.0
// The records of a zip archive as a bundle has them: entries stored as they are, names in UTF-8, no times, ZIP64 where a
// number needs it. PKWARE's APPNOTE 6.3.10, sections 4.3 to 4.5; numbers are little-endian.
//   per entry   local header, name, bytes
//   the list    a central header with its name per entry, the ZIP64 end record and its locator, the end record with the
//               archive's comment, which ends the file
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace precipice::zip_format {

inline constexpr std::size_t kLocalBytes = 30, kCentralBytes = 46, kEnd64Bytes = 56, kLocatorBytes = 20, kEndBytes = 22;
inline constexpr std::string_view kLocalMark{"PK\3\4"}, kCentralMark{"PK\1\2"}, kEnd64Mark{"PK\6\6"},
    kLocatorMark{"PK\6\7"}, kEndMark{"PK\5\6"};

struct Entry {
  std::string name;          // a folder's ends in '/'
  std::uint64_t header = 0;  // where its local header begins
  std::uint64_t size = 0;
  std::uint32_t crc = 0;  // CRC-32 of its bytes
};

std::string local_header(const Entry& entry);    // with the name: the bytes follow
std::string central_header(const Entry& entry);  // with the name

// Behind `entries` central headers of `list_bytes` that begin at `list`.
std::string end_records(std::uint64_t entries, std::uint64_t list, std::uint64_t list_bytes, std::string_view comment);

// A local header and its name at the beginning of `bytes`; nothing where there is none, or not all of it. `data`: where
// the entry's bytes begin, counted from the header.
struct LocalHeader {
  Entry entry;
  std::uint64_t data = 0;
};
std::optional<LocalHeader> parse_local(std::string_view bytes);

// The central header at the beginning of `bytes`, which is cut off them.
std::optional<Entry> take_central(std::string_view& bytes);

// What stands in an end record at `at` of the file, `bytes` being the file from `begin` on; nothing where there is none that
// is whole, with its ZIP64 records before it.
struct End {
  std::uint64_t entries = 0, list = 0, list_bytes = 0;
  std::string comment;
  std::uint64_t end = 0;  // of the file, as far as this record knows
};
std::optional<End> parse_end(std::string_view bytes, std::uint64_t begin, std::uint64_t at);

}  // namespace precipice::zip_format
