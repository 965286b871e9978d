// SPDX-License-Identifier: Apache-2.0
// The checks of one run directory.
#include "metrics/log/run_check.h"

#include <optional>

#include "metrics/files/files.h"
#include "metrics/log/journal.h"
#include "metrics/log/run_file.h"
#include "metrics/log/status_file.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

constexpr int kMaxLooks = 100;  // a live run may publish between our looks at its two files

FileCheck check_status(const std::filesystem::path& path, std::optional<RunStatus>& status) {
  try {
    status = read_status(path);
  } catch (const DataError& error) {
    return {path, false, error.what()};
  }
  if (!status) return {path, false, "missing"};
  return {path, true, "intact: " + to_string(observed_state(*status)) + ", step " + std::to_string(status->step)};
}

FileCheck check_journal(const std::filesystem::path& path, const std::optional<RunStatus>& status, RunSeries& series) {
  if (!is_there(path)) {
    const bool pending = status && status->state == RunState::Pending;
    return {path, pending, pending ? "not written yet" : "missing"};
  }
  try {
    JournalContents contents = read_journal(path);
    series = std::move(contents.series);
    const std::size_t rows = series.rows.size();
    const std::string intact = join_parts(rows, " rows intact", rows == 0 ? "" : ", the last of step ",
                                          rows == 0 ? "" : std::to_string(series.rows.back().step));
    if (contents.hole)
      return {path, false, join_parts("damaged at byte ", contents.valid_bytes, ", rows behind it are lost: ", intact)};
    const std::uint64_t torn = contents.file_bytes - contents.valid_bytes;
    if (torn > 0) return {path, true, join_parts("recoverable: ", intact, "; ", torn, " torn bytes at the end")};
    return {path, true, intact};
  } catch (const DataError& error) {
    return {path, false, error.what()};
  }
}

// The SHA-256 of run.h5, or kNoRunFile.
std::string hash_of(const std::filesystem::path& path) {
  return is_there(path) ? sha256_hex(read_file(path, kMaxRunFileBytes)) : kNoRunFile;
}

bool same_publication(const std::optional<RunStatus>& a, const std::optional<RunStatus>& b) {
  if (!a || !b) return a.has_value() == b.has_value();
  return a->run_file_sha256 == b->run_file_sha256 && a->run_file_before == b->run_file_before;
}

std::string recorded(const std::string& hash) {
  return hash.empty() ? kNoRunFile : hash;
}

FileCheck check_run_file_of(const std::filesystem::path& run_dir, std::optional<RunStatus> status,
                            const RunSeries& journal) {
  const std::filesystem::path path = run_dir / kRunFileName;
  try {
    std::string hash = hash_of(path);
    const auto accepted = [&] {
      return status && (hash == recorded(status->run_file_sha256) || hash == status->run_file_before);
    };
    for (int look = 0; look < kMaxLooks && !accepted(); ++look) {
      const std::optional<RunStatus> later = read_status(run_dir / kStatusFileName);
      if (same_publication(status, later)) break;
      status = later;
      hash = hash_of(path);
    }
    if (!status) return {path, false, "cannot be checked without status.json"};
    if (!accepted())
      return {path, false, hash == kNoRunFile ? "missing" : "its SHA-256 is not the one that status.json records"};
    const bool is_new = hash == recorded(status->run_file_sha256);
    if (hash == kNoRunFile) return {path, true, "not published yet"};
    check_run_file(path, journal);
    return {path, true, is_new ? "intact" : "intact: the publication before the last, which was cut short"};
  } catch (const DataError& error) {
    return {path, false, error.what()};
  }
}

}  // namespace

std::vector<FileCheck> check_run(const std::filesystem::path& run_dir) {
  std::optional<RunStatus> status;
  RunSeries journal;
  FileCheck status_check = check_status(run_dir / kStatusFileName, status);
  FileCheck journal_check = check_journal(run_dir / kJournalFileName, status, journal);
  FileCheck run_file_check = check_run_file_of(run_dir, status, journal);
  return {std::move(status_check), std::move(journal_check), std::move(run_file_check)};
}

}  // namespace precipice
