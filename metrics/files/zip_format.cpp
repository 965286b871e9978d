// SPDX-License-Identifier: Apache-2.0
#include "metrics/files/zip_format.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace precipice::zip_format {
namespace {

constexpr std::uint16_t kZip64 = 45;                        // version that a reader needs, 4.4.3.2
constexpr std::uint16_t kMadeBy = (3 << 8) | kZip64;        // Unix: external attributes are a mode
constexpr std::uint16_t kUtf8 = 1 << 11;                    // 4.4.4
constexpr std::uint16_t kNoDate = (1 << 5) | 1;             // 1 January 1980
constexpr std::uint32_t kFileMode = 0100644u << 16;         // a regular file, rw-r--r--
constexpr std::uint32_t kFolderMode = 0040755u << 16 | 16;  // a folder; 16: what MS-DOS calls one
constexpr std::uint16_t kExtra64 = 1;                       // 4.5.3
constexpr std::uint32_t kMost32 = 0xFFFFFFFF;               // and beyond: the number is in the ZIP64 field
constexpr std::uint16_t kMost16 = 0xFFFF;

class Writer {
 public:
  template <class Number>
  Writer& put(Number number) {
    static_assert(std::is_unsigned_v<Number>);
    for (std::size_t byte = 0; byte < sizeof(Number); ++byte) text_ += static_cast<char>((number >> (8 * byte)) & 0xff);
    return *this;
  }
  Writer& put(std::string_view text) {
    text_ += text;
    return *this;
  }
  std::string text() && { return std::move(text_); }

 private:
  std::string text_;
};

template <class Number>
Number number_at(std::string_view bytes, std::size_t offset) {
  Number number = 0;
  for (std::size_t byte = 0; byte < sizeof(Number); ++byte)
    number = static_cast<Number>(
        number |
        static_cast<Number>(static_cast<Number>(static_cast<unsigned char>(bytes[offset + byte])) << (8 * byte)));
  return number;
}

std::uint32_t clamp32(std::uint64_t number) {
  return number >= kMost32 ? kMost32 : static_cast<std::uint32_t>(number);
}

std::uint16_t clamp16(std::uint64_t number) {
  return number >= kMost16 ? kMost16 : static_cast<std::uint16_t>(number);
}

// The ZIP64 field holds, in this order, those of the numbers that do not fit.
std::string extra_of(bool sizes, std::uint64_t size, bool offset, std::uint64_t header) {
  if (!sizes && !offset) return {};
  Writer extra;
  extra.put(kExtra64).put(static_cast<std::uint16_t>((sizes ? 16 : 0) + (offset ? 8 : 0)));
  if (sizes) extra.put(size).put(size);
  if (offset) extra.put(header);
  return std::move(extra).text();
}

bool is_folder(const Entry& entry) {
  return entry.name.ends_with('/');
}

// Reads numbers that did not fit from the extra fields. False where they are not there.
bool read_extra(std::string_view extra, std::uint32_t size, std::uint32_t header, Entry& entry) {
  const bool sizes = size == kMost32, offset = header == kMost32;
  entry.size = size, entry.header = header;
  while ((sizes || offset) && extra.size() >= 4) {
    const auto kind = number_at<std::uint16_t>(extra, 0), length = number_at<std::uint16_t>(extra, 2);
    if (length > extra.size() - 4) return false;
    const std::string_view field = extra.substr(4, length);
    if (kind == kExtra64) {
      if (field.size() < (sizes ? 16u : 0u) + (offset ? 8u : 0u)) return false;
      if (sizes) entry.size = number_at<std::uint64_t>(field, 0);
      if (offset) entry.header = number_at<std::uint64_t>(field, sizes ? 16 : 0);
      return true;
    }
    extra.remove_prefix(4 + std::size_t{length});
  }
  return !sizes && !offset;
}

}  // namespace

std::string local_header(const Entry& entry) {
  const bool big = entry.size >= kMost32;
  const std::string extra = extra_of(big, entry.size, false, 0);
  Writer out;
  out.put(kLocalMark).put(std::uint16_t{kZip64}).put(kUtf8).put(std::uint16_t{0}).put(std::uint16_t{0}).put(kNoDate);
  out.put(entry.crc).put(clamp32(entry.size)).put(clamp32(entry.size));
  out.put(static_cast<std::uint16_t>(entry.name.size())).put(static_cast<std::uint16_t>(extra.size()));
  out.put(std::string_view(entry.name)).put(std::string_view(extra));
  return std::move(out).text();
}

std::string central_header(const Entry& entry) {
  const std::string extra = extra_of(entry.size >= kMost32, entry.size, entry.header >= kMost32, entry.header);
  Writer out;
  out.put(kCentralMark).put(kMadeBy).put(std::uint16_t{kZip64}).put(kUtf8).put(std::uint16_t{0});
  out.put(std::uint16_t{0}).put(kNoDate).put(entry.crc).put(clamp32(entry.size)).put(clamp32(entry.size));
  out.put(static_cast<std::uint16_t>(entry.name.size())).put(static_cast<std::uint16_t>(extra.size()));
  out.put(std::uint16_t{0}).put(std::uint16_t{0}).put(std::uint16_t{0});  // comment, disk, internal attributes
  out.put(is_folder(entry) ? kFolderMode : kFileMode).put(clamp32(entry.header));
  out.put(std::string_view(entry.name)).put(std::string_view(extra));
  return std::move(out).text();
}

std::string end_records(std::uint64_t entries, std::uint64_t list, std::uint64_t list_bytes, std::string_view comment) {
  constexpr std::uint64_t kRest = kEnd64Bytes - 12;  // behind the mark and this number itself
  Writer out;
  out.put(kEnd64Mark).put(kRest).put(kMadeBy).put(std::uint16_t{kZip64}).put(std::uint32_t{0}).put(std::uint32_t{0});
  out.put(entries).put(entries).put(list_bytes).put(list);
  out.put(kLocatorMark).put(std::uint32_t{0}).put(list + list_bytes).put(std::uint32_t{1});
  out.put(kEndMark).put(std::uint16_t{0}).put(std::uint16_t{0}).put(clamp16(entries)).put(clamp16(entries));
  out.put(clamp32(list_bytes)).put(clamp32(list)).put(static_cast<std::uint16_t>(comment.size())).put(comment);
  return std::move(out).text();
}

std::optional<LocalHeader> parse_local(std::string_view bytes) {
  if (bytes.size() < kLocalBytes || !bytes.starts_with(kLocalMark)) return std::nullopt;
  const std::size_t name = number_at<std::uint16_t>(bytes, 26), extra = number_at<std::uint16_t>(bytes, 28);
  if (bytes.size() < kLocalBytes + name + extra) return std::nullopt;
  LocalHeader header;
  header.entry.name = bytes.substr(kLocalBytes, name);
  header.entry.crc = number_at<std::uint32_t>(bytes, 14);
  if (!read_extra(bytes.substr(kLocalBytes + name, extra), number_at<std::uint32_t>(bytes, 18), 0, header.entry))
    return std::nullopt;
  header.data = kLocalBytes + name + extra;
  return header;
}

std::optional<Entry> take_central(std::string_view& bytes) {
  if (bytes.size() < kCentralBytes || !bytes.starts_with(kCentralMark)) return std::nullopt;
  const std::size_t name = number_at<std::uint16_t>(bytes, 28), extra = number_at<std::uint16_t>(bytes, 30),
                    comment = number_at<std::uint16_t>(bytes, 32);
  const std::size_t all = kCentralBytes + name + extra + comment;
  const bool is_stored = number_at<std::uint16_t>(bytes, 10) == 0;
  if (bytes.size() < all || !is_stored) return std::nullopt;
  Entry entry;
  entry.name = bytes.substr(kCentralBytes, name);
  entry.crc = number_at<std::uint32_t>(bytes, 16);
  if (!read_extra(bytes.substr(kCentralBytes + name, extra), number_at<std::uint32_t>(bytes, 24),
                  number_at<std::uint32_t>(bytes, 42), entry))
    return std::nullopt;
  bytes.remove_prefix(all);
  return entry;
}

std::optional<End> parse_end(std::string_view bytes, std::uint64_t begin, std::uint64_t at) {
  constexpr std::size_t kBefore = kEnd64Bytes + kLocatorBytes;
  if (at < begin + kBefore || at - begin + kEndBytes > bytes.size()) return std::nullopt;
  const std::string_view end = bytes.substr(at - begin), end64 = bytes.substr(at - begin - kBefore);
  if (!end.starts_with(kEndMark) || !end64.starts_with(kEnd64Mark) ||
      !end64.substr(kEnd64Bytes).starts_with(kLocatorMark))
    return std::nullopt;
  const std::size_t comment = number_at<std::uint16_t>(end, 20);
  if (end.size() < kEndBytes + comment) return std::nullopt;
  End found;
  found.entries = number_at<std::uint64_t>(end64, 32);
  found.list_bytes = number_at<std::uint64_t>(end64, 40);
  found.list = number_at<std::uint64_t>(end64, 48);
  found.comment = end.substr(kEndBytes, comment);
  found.end = at + kEndBytes + comment;
  // The records say where they lie themselves: those of an archive inside an entry do not.
  const std::uint64_t own = number_at<std::uint64_t>(end64, kEnd64Bytes + 8);
  if (own != at - kBefore || found.list > own || found.list_bytes != own - found.list) return std::nullopt;
  return found;
}

}  // namespace precipice::zip_format
