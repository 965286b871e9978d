// SPDX-License-Identifier: Apache-2.0
// Writing a journal.
#include "metrics/log/journal.h"

#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "metrics/files/files.h"
#include "metrics/log/journal_format.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

[[noreturn]] void throw_output_error(const std::filesystem::path& path, const std::string& why) {
  throw OutputError(path.string() + ": cannot write: " + why);
}

std::string encode_rows(std::int64_t step, std::span<const SeriesRow> rows, const std::vector<SeriesGroup>& groups) {
  std::string payload;
  int previous = -1;
  for (const SeriesRow& row : rows) {
    PRECIPICE_CHECK(row.group < groups.size() && row.group > previous, "group ", row.group, " after ", previous);
    PRECIPICE_CHECK(row.step == step, "row of step ", row.step, " in step ", step);
    PRECIPICE_CHECK(row.values.size() == groups[row.group].row_width(), row.values.size(), " values for group ",
                    groups[row.group].name);
    journal_format::put(payload, row.group);
    for (const double value : row.values) journal_format::put(payload, value);
    previous = row.group;
  }
  return payload;
}

}  // namespace

JournalWriter::JournalWriter(const Directory& directory, const std::string& name,
                             const std::vector<SeriesGroup>& groups)
    : path_(directory.path() / name), file_(directory.open_journal(name)), groups_(groups) {
  // A file system without locks is no reason to stop; a second writer is.
  if (::flock(file_.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
    throw_output_error(path_, "another process is writing this run");
}

JournalWriter JournalWriter::create(const Directory& directory, const std::string& name, const std::string& identity,
                                    const std::vector<SeriesGroup>& groups) {
  if (directory.has(name)) throw_output_error(directory.path() / name, "it exists already");
  // By rename, so that a kill never leaves a journal without its header, which could be neither resumed nor created.
  const std::string header = journal_format::encode_header(identity, groups);
  directory.write_atomic(name, header);
  JournalWriter writer(directory, name, groups);
  writer.size_ = header.size();
  return writer;
}

JournalWriter JournalWriter::resume(const Directory& directory, const std::string& name, const std::string& identity,
                                    const std::vector<SeriesGroup>& groups, std::int64_t last_step, RunSeries& kept) {
  JournalWriter writer(directory, name, groups);
  const std::filesystem::path path = directory.path() / name;
  JournalContents contents = parse_journal(directory.read(name, kMaxJournalBytes), path.string(), last_step);
  if (contents.identity != identity)
    throw DataError(
        join_parts(path.string(), ": belongs to another run (", contents.identity, ", not ", identity, ")"));
  if (contents.series.groups != groups)
    throw DataError(path.string() + ": logs other series than this program does (another version?)");
  const std::int64_t end = contents.series.rows.empty() ? -1 : contents.series.rows.back().step;
  if (end < last_step)
    throw DataError(join_parts(path.string(), ": whole rows end at step ", end, ", but the run is to go on after step ",
                               last_step));
  writer.cut(contents.valid_bytes);
  writer.sync();
  writer.last_step_ = end;
  kept = std::move(contents.series);
  return writer;
}

void JournalWriter::cut(std::uint64_t size) {
  if (::ftruncate(file_.get(), static_cast<off_t>(size)) != 0) throw_output_error(path_, system_reason(errno));
  size_ = size;
}

void JournalWriter::append(std::int64_t step, std::span<const SeriesRow> rows) {
  PRECIPICE_CHECK(step >= 0 && step >= last_step_, "step ", step, " after ", last_step_);
  if (rows.empty()) return;
  check_file();
  const std::string record = journal_format::make_record(step, encode_rows(step, rows, groups_));
  ssize_t written = -1;
  do {
    written = ::write(file_.get(), record.data(), record.size());
  } while (written < 0 && errno == EINTR);
  if (written != static_cast<ssize_t>(record.size())) {
    // A short write is how a disk fills up: the next one would say so.
    const std::string why = written < 0 ? system_reason(errno) : "no space left for a whole record";
    cut(size_);
    throw_output_error(path_, why);
  }
  size_ += record.size();
  last_step_ = step;
}

// A file without a name takes rows, and loses them when it is closed.
void JournalWriter::check_file() const {
  struct stat status {};
  if (::fstat(file_.get(), &status) == 0 && status.st_nlink == 0)
    throw_output_error(path_, "it was deleted while the run was going on");
}

void JournalWriter::sync() {
  if (::fsync(file_.get()) != 0) throw_output_error(path_, system_reason(errno));
}

}  // namespace precipice
