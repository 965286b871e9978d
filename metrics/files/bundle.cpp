// SPDX-License-Identifier: Apache-2.0
// Reading bundles. Nothing in the file is believed before it is compared with the bytes that are there.
#include "metrics/files/bundle.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <set>
#include <sstream>

#include "metrics/files/bundle_names.h"
#include "metrics/files/files.h"
#include "metrics/files/run_files.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

namespace fs = std::filesystem;
using zip_format::Entry;

constexpr std::uint64_t kMaxListBytes = std::uint64_t{1} << 32;
constexpr std::uint64_t kMaxSumsBytes = std::uint64_t{64} << 20;
constexpr std::uint64_t kLookBytes = 1 << 20;  // the file is looked through in pieces of this size
constexpr std::uint64_t kMostHeader = zip_format::kLocalBytes + 2 * 0xFFFF;
constexpr std::uint64_t kUsualExtra = 64;
constexpr std::uint64_t kMostHead = 1024;  // bytes of the first entry
constexpr std::string_view kLocalStart = zip_format::kLocalMark;

// "3" of "precipice bundle 3...", nothing for other text.
std::optional<std::string> version_in(std::string_view text) {
  if (!text.starts_with(kBundleWords)) return std::nullopt;
  text.remove_prefix(kBundleWords.size());
  const std::string_view digits = text.substr(0, text.find_first_not_of("0123456789"));
  return digits.empty() ? std::nullopt : std::optional(std::string(digits));
}

std::string names_of(const std::set<std::string>& ids) {
  constexpr std::size_t kMostNamed = 5;
  std::string text;
  std::size_t named = 0;
  for (const std::string& id : ids)
    if (named++ < kMostNamed) text += (text.empty() ? "" : ", ") + id;
  return named > kMostNamed ? join_parts(text, " and ", named - kMostNamed, " more") : text;
}

}  // namespace

std::string bundle_comment(std::string_view list) {
  char hex[8];
  std::uint32_t crc = crc32c(list);
  for (int digit = 7; digit >= 0; --digit, crc >>= 4) hex[digit] = "0123456789abcdef"[crc & 15];
  return join_parts(kBundleWords, kBundleVersion, ", list ", std::string_view(hex, sizeof hex));
}

Bundle::Bundle(const fs::path& path, const fs::path& sweep) : path_(path), file_(path, O_RDONLY | O_NONBLOCK) {
  struct stat status {};
  if (!file_.valid() || ::fstat(file_.get(), &status) != 0) refuse("cannot read: " + system_reason(errno));
  if (!S_ISREG(status.st_mode)) refuse("not a regular file");
  const auto file_bytes = static_cast<std::uint64_t>(status.st_size);
  read_list(file_bytes);
  if (whole_bytes_ < file_bytes) look_behind_list(file_bytes, sweep);
}

void Bundle::refuse(const std::string& why) const {
  throw DataError(path_.string() + ": " + why);
}

std::string Bundle::read_at(std::uint64_t offset, std::uint64_t bytes) const {
  std::string text(bytes, '\0');
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = ::pread(file_.get(), text.data() + done, text.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) refuse("cannot read: " + system_reason(errno));
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  text.resize(done);
  return text;
}

// The last list that is whole: at the end of the file, or before what a kill left of an append.
void Bundle::read_list(std::uint64_t file_bytes) {
  if (file_bytes == 0) return;  // made, and not yet written to
  const std::optional<std::string> version = [&] {
    const auto head = zip_format::parse_local(read_at(0, kMostHead));
    return head && head->entry.name == kBundleHead ? version_in(read_at(head->data, kBundleWords.size() + 10))
                                                   : std::nullopt;
  }();
  // What a kill left of the very first entry.
  if (!version && file_bytes < kMostHead &&
      kLocalStart.starts_with(read_at(0, kLocalStart.size()).substr(0, file_bytes)))
    return;
  if (version && *version != std::to_string(kBundleVersion))
    refuse(join_parts("a bundle of version ", *version, "; this program reads version ", kBundleVersion));
  // Windows overlap, so that no record is cut by the edge of one.
  constexpr std::uint64_t kOverlap = zip_format::kEnd64Bytes + zip_format::kLocatorBytes + zip_format::kEndBytes + 256;
  for (std::uint64_t end = file_bytes;;) {
    const std::uint64_t begin = end > kLookBytes ? end - kLookBytes : 0;
    const std::string window = read_at(begin, std::min(file_bytes, end + kOverlap) - begin);
    for (std::size_t at = window.rfind(zip_format::kEndMark); at != std::string::npos;
         at = at == 0 ? std::string::npos : window.rfind(zip_format::kEndMark, at - 1)) {
      const auto found = zip_format::parse_end(window, begin, begin + at);
      if (found && found->comment.starts_with(kBundleWords) && take_list(*found)) return;
    }
    if (begin == 0) break;
    end = begin + kOverlap;
  }
  if (!version) refuse("no bundle of runs");
}

bool Bundle::take_list(const zip_format::End& end) {
  if (end.list_bytes > kMaxListBytes) return false;
  const std::string list = read_at(end.list, end.list_bytes);
  if (list.size() != end.list_bytes || end.comment != bundle_comment(list)) return false;
  std::map<std::string, Entry> entries;
  std::string_view left = list;
  while (!left.empty()) {
    auto entry = zip_format::take_central(left);
    if (!entry || entry->header >= end.list || entry->size > end.list) refuse("its list of entries is damaged");
    entries[entry->name] = std::move(*entry);
  }
  entries_ = std::move(entries);
  whole_bytes_ = end.end;
  return true;
}

// Either an append that was killed, whose runs still have their directories, or what is left of a file that was cut short.
void Bundle::look_behind_list(std::uint64_t file_bytes, const fs::path& sweep) {
  std::map<std::string, Entry> behind;
  std::set<std::string> seen, whole;
  for (std::uint64_t at = whole_bytes_; at < file_bytes;) {
    const auto header = zip_format::parse_local(read_at(at, std::min(kMostHeader, file_bytes - at)));
    if (!header) break;
    Entry entry = header->entry;
    entry.header = at;
    const auto name = parse_bundle_name(entry.name);
    if (name) seen.insert(name->id);
    const std::uint64_t data = at + header->data;
    if (entry.size > file_bytes - data) break;
    try {
      read_entry(entry, entry.size);
    } catch (const DataError&) {
      break;
    }
    if (name && name->is_sums) whole.insert(name->id);
    at = data + entry.size;
    behind[entry.name] = std::move(entry);
  }
  std::error_code ignored;
  std::set<std::string> lost;
  for (const std::string& id : seen)
    if (!fs::exists(sweep / id / kConfigFileName, ignored)) lost.insert(id);
  if (lost.empty()) return;
  for (auto& [name, entry] : behind)
    if (const auto parsed = parse_bundle_name(name); parsed && whole.contains(parsed->id)) entries_[name] = entry;
  for (const std::string& id : whole) lost.erase(id);
  const std::vector<std::string> readable = runs();
  problem_ = join_parts(path_.string(), ": the end of the bundle is missing or damaged (it has ", file_bytes,
                        " bytes): ", readable.size(), " runs in it are whole");
  if (!lost.empty()) problem_ += ", not " + names_of(lost) + ", nor what came behind";
  problem_ += "; put a whole copy in its place, or take the whole ones out by `precipice unpack`";
}

bool Bundle::has_run(std::string_view id) const {
  return entries_.contains(sums_name(id));
}

std::vector<std::string> Bundle::runs() const {
  std::vector<std::string> ids;
  for (const auto& [name, entry] : entries_)
    if (const auto parsed = parse_bundle_name(name); parsed && parsed->is_sums) ids.push_back(parsed->id);
  return ids;
}

std::vector<std::string> Bundle::files(const std::string& id) const {
  std::vector<std::string> names;
  if (!has_run(id)) return names;
  const std::string prefix = id + "/";
  for (auto it = entries_.lower_bound(prefix); it != entries_.end() && it->first.starts_with(prefix); ++it)
    if (parse_bundle_name(it->first)) names.push_back(it->first.substr(prefix.size()));
  return names;
}

bool Bundle::has(const std::string& id, const std::string& file) const {
  return has_run(id) && entries_.contains(id + "/" + file);
}

std::string Bundle::read(const std::string& id, const std::string& file, std::uint64_t max_bytes) const {
  const auto found = entries_.find(id + "/" + file);
  if (found == entries_.end()) refuse(id + "/" + file + ": not in the bundle");
  return read_entry(found->second, max_bytes);
}

std::string Bundle::read_entry(const Entry& entry, std::uint64_t max_bytes) const {
  if (entry.size > max_bytes)
    refuse(join_parts(entry.name, ": ", entry.size, " bytes; at most ", max_bytes, " are allowed"));
  const std::uint64_t usual = zip_format::kLocalBytes + entry.name.size() + kUsualExtra;
  const auto header = zip_format::parse_local(read_at(entry.header, usual));
  if (!header || header->entry.name != entry.name) refuse(entry.name + ": damaged");
  std::string bytes = read_at(entry.header + header->data, entry.size);
  if (bytes.size() != entry.size || crc32(bytes) != entry.crc) refuse(entry.name + ": damaged");
  return bytes;
}

std::string Bundle::check(const std::string& id) const {
  try {
    std::map<std::string, std::string> sums;
    std::istringstream lines(read_entry(entries_.at(sums_name(id)), kMaxSumsBytes));
    for (std::string line; std::getline(lines, line);)
      if (line.size() > kHexDigits + 2) sums[line.substr(kHexDigits + 2)] = line.substr(0, kHexDigits);
    for (const std::string& file : files(id)) {
      const Entry& entry = entries_.at(id + "/" + file);
      if (file.ends_with('/')) {
        read_entry(entry, 0);
        continue;
      }
      const auto sum = sums.extract(entry.name);
      if (sum.empty() || sha256_hex(read_entry(entry, entry.size)) != sum.mapped())
        return path_.string() + ": " + entry.name + ": not the file that was packed";
    }
    return sums.empty() ? "" : path_.string() + ": " + sums.begin()->first + ": missing";
  } catch (const DataError& error) {
    return error.what();
  }
}

}  // namespace precipice
