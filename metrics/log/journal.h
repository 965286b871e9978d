// SPDX-License-Identifier: Apache-2.0
// metrics.jnl: append-only log of a run, one write(2) per step, so that a kill at any moment loses no acknowledged row.
// Layout: magic "PRCPJNL1", then records {u32 length, u32 crc32c, i64 step, payload}, little-endian; length counts the
// payload, the crc covers step and payload. The first record is the header (step -1): the run's identity and the groups
// as JSON. Every other payload is the rows of one append: {u16 group, f64 values[row_width]}, groups in rising order,
// and steps never decrease. A reader stops at the first record that breaks a rule: everything before it is whole.
// Cf. TensorBoard's event files, which frame their records the same way (length and masked CRC-32C).
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/files/directory.h"
#include "metrics/files/file_descriptor.h"
#include "metrics/files/run_files.h"
#include "metrics/log/series.h"

namespace precipice {

inline constexpr std::uint64_t kMaxJournalBytes = std::uint64_t{8} << 30;

struct JournalContents {
  std::string identity;  // hash of the resolved config; a journal of another run is never resumed
  RunSeries series;
  std::uint64_t valid_bytes = 0;  // length up to the last whole record
  std::uint64_t file_bytes = 0;   // > valid_bytes: torn or damaged tail
  bool hole = false;              // whole records follow the first bad one: damage, not what a kill leaves behind
};

// Throws DataError when the file is no journal or its header is damaged. Never crashes on any bytes; no length is
// believed before it is compared with the bytes that are there.
JournalContents read_journal(const std::filesystem::path& path);

// The same for bytes in memory (`name` is for messages), reading rows up to last_step only: valid_bytes ends there.
JournalContents parse_journal(std::string_view bytes, const std::string& name,
                              std::int64_t last_step = std::numeric_limits<std::int64_t>::max());

// The bytes of a journal that has the same groups and whole rows under another identity. Throws DataError.
std::string renamed_journal(std::string_view bytes, const std::string& name, const std::string& identity);

class JournalWriter {
 public:
  // Creates the file with its header; throws OutputError if it exists.
  static JournalWriter create(const Directory& directory, const std::string& name, const std::string& identity,
                              const std::vector<SeriesGroup>& groups);
  // Opens an existing journal after cutting every row whose step is > last_step, and any torn tail. last_step is the
  // last step whose rows stay (-1: none). Throws DataError when identity or groups differ, or when the whole rows end
  // before last_step (so sync() before the checkpoint that relies on the rows). Rows kept are returned through `kept`.
  static JournalWriter resume(const Directory& directory, const std::string& name, const std::string& identity,
                              const std::vector<SeriesGroup>& groups, std::int64_t last_step, RunSeries& kept);

  // All rows of one step in one write(2); at most one row per group, in the groups' order, steps never going back.
  // Throws OutputError on a failed or short write, after cutting the torn part: the same append may be tried again; and
  // when the file was deleted or replaced.
  void append(std::int64_t step, std::span<const SeriesRow> rows);
  void sync();  // fsync

 private:
  JournalWriter(const Directory& directory, const std::string& name, const std::vector<SeriesGroup>& groups);
  void cut(std::uint64_t size);
  void check_file() const;

  std::filesystem::path path_;
  FileDescriptor file_;  // holds a lock: two processes never write one journal
  std::vector<SeriesGroup> groups_;
  std::uint64_t size_ = 0;
  std::int64_t last_step_ = -1;
};

}  // namespace precipice
