// SPDX-License-Identifier: Apache-2.0
// Reading a journal: a record counts only if its length, its chain of rows, its step and its checksum all agree.
#include <nlohmann/json.hpp>
#include <optional>

#include "metrics/log/journal.h"
#include "metrics/log/journal_format.h"
#include "precision/base/check.h"

namespace precipice {
namespace journal_format {
namespace {

// Bounds the search for whole records behind damage, which a hostile file could otherwise make quadratic.
constexpr std::uint64_t kMaxSearchedBytes = std::uint64_t{1} << 28;

struct Record {
  std::int64_t step = 0;
  std::string_view payload;
  std::size_t bytes() const { return kPrefixBytes + payload.size(); }
};

// The frame at the start of `bytes`, its length compared with what is there; its checksum is not looked at yet.
std::optional<Record> read_frame(std::string_view bytes) {
  if (bytes.size() < kPrefixBytes) return std::nullopt;
  const auto length = get<std::uint32_t>(bytes, 0);
  if (length > bytes.size() - kPrefixBytes) return std::nullopt;
  return Record{get<std::int64_t>(bytes, 8), bytes.substr(kPrefixBytes, length)};
}

bool checksum_holds(std::string_view bytes, const Record& record) {
  return get<std::uint32_t>(bytes, 4) == crc32c(bytes.substr(8, 8 + record.payload.size()));
}

bool is_chain_of_rows(std::string_view payload, const std::vector<SeriesGroup>& groups) {
  if (payload.empty()) return false;
  int previous = -1;
  while (!payload.empty()) {
    if (payload.size() < sizeof(std::uint16_t)) return false;
    const auto group = get<std::uint16_t>(payload, 0);
    if (group <= previous || group >= groups.size() || payload.size() < row_bytes(groups[group])) return false;
    payload.remove_prefix(row_bytes(groups[group]));
    previous = group;
  }
  return true;
}

std::optional<Record> read_rows_record(std::string_view bytes, const std::vector<SeriesGroup>& groups,
                                       std::int64_t last_step) {
  const auto record = read_frame(bytes);
  if (!record || record->step < 0 || record->step < last_step) return std::nullopt;
  if (!is_chain_of_rows(record->payload, groups) || !checksum_holds(bytes, *record)) return std::nullopt;
  return record;
}

void add_rows(const Record& record, RunSeries& series) {
  for (std::string_view left = record.payload; !left.empty();) {
    SeriesRow row{get<std::uint16_t>(left, 0), record.step, {}};
    const SeriesGroup& group = series.groups[row.group];
    row.values.resize(group.row_width());
    std::memcpy(row.values.data(), left.data() + sizeof(std::uint16_t), 8 * row.values.size());
    left.remove_prefix(row_bytes(group));
    series.rows.push_back(std::move(row));
  }
}

bool has_whole_record(std::string_view tail, const std::vector<SeriesGroup>& groups, std::int64_t last_step) {
  std::uint64_t searched = 0;
  for (std::size_t offset = 1; offset < tail.size() && searched < kMaxSearchedBytes; ++offset) {
    const std::string_view rest = tail.substr(offset);
    const auto record = read_frame(rest);
    if (!record || record->step < 0 || record->step < last_step || !is_chain_of_rows(record->payload, groups)) continue;
    if (checksum_holds(rest, *record)) return true;
    searched += record->bytes();
  }
  return false;
}

SeriesGroup decode_group(const nlohmann::json& json) {
  SeriesGroup group;
  group.name = json.at("name").get<std::string>();
  for (const nlohmann::json& series : json.at("series")) {
    group.series.push_back({series.at("name").get<std::string>(), series.at("units").get<std::string>(),
                            series.at("long_name").get<std::string>()});
  }
  group.sites = json.at("sites").get<std::vector<std::string>>();
  if (json.contains("bins")) group.bins = json.at("bins").get<std::vector<std::string>>();
  if (group.series.empty() || group.row_width() > kMaxRowWidth) throw DataError("a group of impossible width");
  return group;
}

void decode_header(std::string_view payload, JournalContents& contents) {
  const nlohmann::json header = nlohmann::json::parse(payload);
  contents.identity = header.at("identity").get<std::string>();
  for (const nlohmann::json& group : header.at("groups")) contents.series.groups.push_back(decode_group(group));
}

}  // namespace

std::string encode_header(const std::string& identity, const std::vector<SeriesGroup>& groups) {
  nlohmann::json header{{"identity", identity}, {"groups", nlohmann::json::array()}};
  for (const SeriesGroup& group : groups) {
    PRECIPICE_CHECK(!group.series.empty() && group.row_width() <= kMaxRowWidth, "group ", group.name);
    nlohmann::json series = nlohmann::json::array();
    for (const Series& s : group.series)
      series.push_back({{"name", s.name}, {"units", s.units}, {"long_name", s.long_name}});
    nlohmann::json& entry =
        header["groups"].emplace_back(nlohmann::json{{"name", group.name}, {"series", series}, {"sites", group.sites}});
    if (!group.bins.empty()) entry["bins"] = group.bins;
  }
  const std::string text = header.dump();
  PRECIPICE_CHECK(text.size() <= kMaxHeaderBytes, "journal header of ", text.size(), " bytes");
  return std::string(kMagic) + make_record(kHeaderStep, text);
}

}  // namespace journal_format

JournalContents parse_journal(std::string_view bytes, const std::string& name, std::int64_t last_step) {
  using namespace journal_format;
  if (!bytes.starts_with(kMagic))
    throw DataError(name + ": not a journal (no " + std::string(kMagic) + " at its start)");
  JournalContents contents;
  contents.file_bytes = bytes.size();
  std::string_view left = bytes.substr(kMagic.size());
  const auto header = read_frame(left);
  if (!header || header->step != kHeaderStep || header->payload.size() > kMaxHeaderBytes ||
      !checksum_holds(left, *header))
    throw DataError(name + ": the journal's header is damaged");
  try {
    decode_header(header->payload, contents);
  } catch (const std::exception&) {
    throw DataError(name + ": the journal's header has unknown contents (written by another version?)");
  }
  left.remove_prefix(header->bytes());

  std::int64_t step = -1;
  auto record = read_rows_record(left, contents.series.groups, step);
  for (; record && record->step <= last_step; record = read_rows_record(left, contents.series.groups, step)) {
    add_rows(*record, contents.series);
    step = record->step;
    left.remove_prefix(record->bytes());
  }
  contents.valid_bytes = bytes.size() - left.size();
  contents.hole = !record && has_whole_record(left, contents.series.groups, step);
  return contents;
}

std::string renamed_journal(std::string_view bytes, const std::string& name, const std::string& identity) {
  using namespace journal_format;
  const JournalContents contents = parse_journal(bytes, name);
  const std::size_t header = kMagic.size() + kPrefixBytes + get<std::uint32_t>(bytes, kMagic.size());
  return encode_header(identity, contents.series.groups) +
         std::string(bytes.substr(header, contents.valid_bytes - header));
}

JournalContents read_journal(const std::filesystem::path& path) {
  return parse_journal(read_file(path, kMaxJournalBytes), path.string());
}

}  // namespace precipice
