// SPDX-License-Identifier: Apache-2.0
// Appending to bundles.
#include <sys/file.h>

#include <cerrno>
#include <system_error>

#include "metrics/files/bundle.h"
#include "metrics/files/bundle_names.h"
#include "metrics/files/files.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

[[noreturn]] void throw_not_appended(const std::filesystem::path& path, const std::string& why) {
  throw OutputError(path.string() + ": cannot append: " + why);
}

std::string head_text() {
  return join_parts(
      kBundleWords, kBundleVersion,
      "\nRun directories of a sweep, as `precipice pack` put them together; `precipice unpack` gives them "
      "back.\nsha256sum checks the lists in SHA256SUMS where a bundle was unzipped.\n");
}

}  // namespace

BundleWriter::BundleWriter(const Directory& folder, const std::string& name) : path_(folder.path() / name) {
  folder.open_log(name);  // makes it where it is missing
  file_ = folder.open_journal(name);
}

std::optional<BundleWriter> BundleWriter::append_to(const Directory& folder, const std::string& name,
                                                    const std::filesystem::path& sweep) {
  BundleWriter writer(folder, name);
  // Names are of hosts or shards, and on one host the lock counts on every file system.
  if (::flock(writer.file_.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) return std::nullopt;
  const Bundle bundle(writer.path_, sweep);
  if (!bundle.problem().empty()) throw DataError(bundle.problem());
  writer.entries_ = bundle.entries();
  writer.size_ = writer.committed_ = bundle.whole_bytes();
  if (::ftruncate(writer.file_.get(), static_cast<off_t>(writer.size_)) != 0)
    throw_not_appended(writer.path_, system_reason(errno));
  if (writer.size_ > 0) return writer;
  const std::string text = head_text();
  writer.append({std::string(kBundleHead), 0, text.size(), crc32(text)}, text);
  folder.sync();
  return writer;
}

void BundleWriter::write(std::string_view bytes) {
  try {
    write_all(file_.get(), bytes);
  } catch (const std::system_error& error) {
    // What was not committed is no part of the bundle, whether or not it can be cut off.
    const bool is_cut = ::ftruncate(file_.get(), static_cast<off_t>(committed_)) == 0;
    throw_not_appended(path_, error.code().message() + (is_cut ? "" : "; a part of it is left at the end"));
  }
  size_ += bytes.size();
}

void BundleWriter::append(zip_format::Entry entry, std::string_view bytes) {
  entry.header = size_;
  write(zip_format::local_header(entry));
  write(bytes);
  entries_[entry.name] = std::move(entry);
}

void BundleWriter::add(const std::string& id, const std::string& file, std::string_view bytes) {
  const std::string name = id + "/" + file;
  PRECIPICE_CHECK(parse_bundle_name(name).has_value(), name);
  // A run that is packed once more leaves no file of its former self.
  if (sums_.try_emplace(id).second)
    for (auto it = entries_.lower_bound(id + "/"); it != entries_.end() && it->first.starts_with(id + "/");)
      it = entries_.erase(it);
  append({name, 0, bytes.size(), crc32(bytes)}, bytes);
  if (!file.ends_with('/')) sums_[id] += sha256_hex(bytes) + "  " + name + "\n";
}

void BundleWriter::end_run(const std::string& id) {
  const std::string sums = sums_[id];
  sums_.erase(id);
  append({sums_name(id), 0, sums.size(), crc32(sums)}, sums);
}

void BundleWriter::commit() {
  PRECIPICE_CHECK(sums_.empty(), "a run has not ended");
  std::string list;
  for (const auto& [name, entry] : entries_) list += zip_format::central_header(entry);
  write(list + zip_format::end_records(entries_.size(), size_, list.size(), bundle_comment(list)));
  if (::fsync(file_.get()) != 0) throw_not_appended(path_, system_reason(errno));
  committed_ = size_;
}

}  // namespace precipice
