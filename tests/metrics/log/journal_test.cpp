// SPDX-License-Identifier: Apache-2.0
// The journal under kills, cuts and damage: what is read is always a prefix of what was written.
#include "metrics/log/journal.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "metrics/files/files.h"
#include "precision/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

namespace precipice {
namespace {

const std::string kIdentity = "0123abcd";

std::vector<SeriesGroup> two_groups() {
  return {{"metrics", {{"train_loss", "nats", "loss"}, {"grad_norm", "1", "norm"}}, {}},
          {"tensors", {{"x_amax", "1", "largest"}}, {"block0", "block1", "head"}}};
}

std::vector<SeriesRow> rows_of_step(std::int64_t step) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  std::vector<SeriesRow> rows{{0, step, {10.0 / (1 + step), step % 7 == 0 ? nan : 0.1 * step}}};
  if (step % 3 == 0) rows.push_back({1, step, {1.0 * step, std::numeric_limits<double>::infinity(), -0.0}});
  return rows;
}

std::vector<SeriesRow> rows_up_to(std::int64_t last) {
  std::vector<SeriesRow> rows;
  for (std::int64_t step = 0; step <= last; ++step)
    for (const SeriesRow& row : rows_of_step(step)) rows.push_back(row);
  return rows;
}

void append_steps(JournalWriter& writer, std::int64_t first, std::int64_t last) {
  for (std::int64_t step = first; step <= last; ++step) writer.append(step, rows_of_step(step));
}

bool same_bits(const SeriesRow& a, const SeriesRow& b) {
  if (a.group != b.group || a.step != b.step || a.values.size() != b.values.size()) return false;
  for (std::size_t i = 0; i < a.values.size(); ++i)
    if (std::bit_cast<std::uint64_t>(a.values[i]) != std::bit_cast<std::uint64_t>(b.values[i])) return false;
  return true;
}

bool is_prefix(const std::vector<SeriesRow>& part, const std::vector<SeriesRow>& whole) {
  if (part.size() > whole.size()) return false;
  for (std::size_t i = 0; i < part.size(); ++i)
    if (!same_bits(part[i], whole[i])) return false;
  return true;
}

bool equal_rows(const std::vector<SeriesRow>& a, const std::vector<SeriesRow>& b) {
  return a.size() == b.size() && is_prefix(a, b);
}

std::string journal_bytes(std::int64_t last) {
  const TemporaryDirectory directory;
  JournalWriter writer = JournalWriter::create(directory.path(), "j", kIdentity, two_groups());
  append_steps(writer, 0, last);
  return read_file(directory / "j", kMaxJournalBytes);
}

}  // namespace

TEST_CASE("a journal reads back bit for bit") {
  const TemporaryDirectory directory;
  {
    JournalWriter writer = JournalWriter::create(directory.path(), "j", kIdentity, two_groups());
    append_steps(writer, 0, 99);
    writer.sync();
  }
  const JournalContents contents = read_journal(directory / "j");
  CHECK(contents.identity == kIdentity);
  CHECK(contents.series.groups == two_groups());
  CHECK(equal_rows(contents.series.rows, rows_up_to(99)));
  CHECK(contents.valid_bytes == contents.file_bytes);
  CHECK_FALSE(contents.hole);
}

TEST_CASE("an existing journal is never overwritten, and has one writer at a time") {
  const TemporaryDirectory directory;
  JournalWriter writer = JournalWriter::create(directory.path(), "j", kIdentity, two_groups());
  append_steps(writer, 0, 3);
  CHECK_THROWS_AS(JournalWriter::create(directory.path(), "j", kIdentity, two_groups()), OutputError);
  RunSeries kept;
  CHECK_THROWS_WITH(JournalWriter::resume(directory.path(), "j", kIdentity, two_groups(), -1, kept),
                    Catch::Contains("another process is writing"));
  CHECK(equal_rows(read_journal(directory / "j").series.rows, rows_up_to(3)));
}

TEST_CASE("resuming cuts later steps and a torn tail, and the continued file equals an uninterrupted one") {
  const std::string straight = journal_bytes(49);
  const std::int64_t kept_step = GENERATE(-1, 0, 17, 30, 39);
  const std::size_t torn = GENERATE(0, 1, 15, 16, 30);
  const TemporaryDirectory directory;
  write_file_atomic(directory / "j", journal_bytes(39) + straight.substr(straight.size() - 50, torn));
  RunSeries kept;
  {
    JournalWriter writer = JournalWriter::resume(directory.path(), "j", kIdentity, two_groups(), kept_step, kept);
    CHECK(equal_rows(kept.rows, rows_up_to(kept_step)));
    append_steps(writer, kept_step + 1, 49);
  }
  CHECK(read_file(directory / "j", kMaxJournalBytes) == straight);
}

TEST_CASE("two appends at one step are kept or cut together") {
  const TemporaryDirectory directory;
  const std::vector<SeriesRow> first{{0, 5, {1, 2}}}, second{{1, 5, {1, 2, 3}}}, later{{0, 6, {3, 4}}};
  {
    JournalWriter writer = JournalWriter::create(directory.path(), "j", kIdentity, two_groups());
    writer.append(5, first);
    writer.append(5, second);
    writer.append(6, later);
  }
  RunSeries kept;
  JournalWriter::resume(directory.path(), "j", kIdentity, two_groups(), 5, kept);
  CHECK(kept.rows == std::vector<SeriesRow>{first[0], second[0]});
  JournalWriter::resume(directory.path(), "j", kIdentity, two_groups(), -1, kept);
  CHECK(kept.rows.empty());
}

TEST_CASE("a journal of another run, of other series or that ends too early is not resumed and not changed") {
  const TemporaryDirectory directory;
  const std::string bytes = journal_bytes(9);
  write_file_atomic(directory / "j", bytes);
  RunSeries kept;
  CHECK_THROWS_WITH(JournalWriter::resume(directory.path(), "j", "other", two_groups(), 5, kept),
                    Catch::Contains("belongs to another run"));
  std::vector<SeriesGroup> renamed = two_groups();
  renamed[0].series[0].name = "loss";
  CHECK_THROWS_AS(JournalWriter::resume(directory.path(), "j", kIdentity, renamed, 5, kept), DataError);
  CHECK_THROWS_WITH(JournalWriter::resume(directory.path(), "j", kIdentity, two_groups(), 10, kept),
                    Catch::Contains("whole rows end at step 9"));
  CHECK(read_file(directory / "j", kMaxJournalBytes) == bytes);
  CHECK_THROWS_AS(JournalWriter::resume(directory.path(), "missing", kIdentity, two_groups(), 5, kept), OutputError);
}

TEST_CASE("a file cut at any byte gives the whole steps before the cut") {
  const std::string bytes = journal_bytes(29);
  const std::vector<SeriesRow> all = rows_up_to(29);
  const std::size_t header = parse_journal(bytes, "j", -1).valid_bytes;
  std::size_t rows_before = 0;
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const std::string_view part = std::string_view(bytes).substr(0, size);
    if (size < header) {
      REQUIRE_THROWS_AS(parse_journal(part, "j"), DataError);
      continue;
    }
    const JournalContents contents = parse_journal(part, "j");
    REQUIRE(is_prefix(contents.series.rows, all));
    REQUIRE(contents.series.rows.size() >= rows_before);
    REQUIRE(contents.file_bytes - contents.valid_bytes < 100);  // less than the largest record
    REQUIRE_FALSE(contents.hole);
    rows_before = contents.series.rows.size();
  }
}

TEST_CASE("10 000 mutated journals never crash and yield a prefix of the rows") {
  const std::string bytes = journal_bytes(29);
  const std::vector<SeriesRow> all = rows_up_to(29);
  std::mt19937_64 random(3);
  int refused = 0;
  for (int round = 0; round < 10000; ++round) {
    std::string mutated = bytes;
    const int changes = 1 + static_cast<int>(random() % 4);
    for (int i = 0; i < changes; ++i) {
      const std::size_t at = random() % mutated.size();
      switch (random() % 5) {
        case 0:
          mutated[at] = static_cast<char>(mutated[at] ^ (1 << random() % 8));
          break;
        case 1:
          mutated[at] = static_cast<char>(random());
          break;
        case 2:
          mutated.resize(at + 1);
          break;
        case 3:  // less than a record: a record that is gone without a trace cannot be missed
          mutated.erase(at, 1 + random() % 33);
          break;
        default:
          mutated.insert(at, std::string(1 + random() % 40, random() % 2 ? '\xff' : '\0'));
          break;
      }
      if (mutated.empty()) mutated.push_back('P');
    }
    try {
      const JournalContents contents = parse_journal(mutated, "j");
      REQUIRE(is_prefix(contents.series.rows, all));
      REQUIRE(contents.valid_bytes <= contents.file_bytes);
    } catch (const DataError&) {
      ++refused;
    }
  }
  CHECK(refused > 1000);
  CHECK(refused < 9000);
}

TEST_CASE("whole records behind damage are a hole, a damaged last record is a tail") {
  const std::string bytes = journal_bytes(29);
  const std::size_t middle = parse_journal(bytes, "j", 14).valid_bytes;
  std::string damaged = bytes;
  damaged[middle + 20] ^= 1;
  JournalContents contents = parse_journal(damaged, "j");
  CHECK(contents.series.rows.back().step == 14);
  CHECK(contents.hole);

  std::string huge_length = bytes;
  huge_length[middle + 3] = '\x7f';
  CHECK(parse_journal(huge_length, "j").hole);

  damaged = bytes;
  damaged.back() ^= 1;
  contents = parse_journal(damaged, "j");
  CHECK(contents.series.rows.back().step == 28);
  CHECK_FALSE(contents.hole);
  CHECK_FALSE(parse_journal(bytes + std::string(5000, '\0'), "j").hole);
}

TEST_CASE("a whole record whose step goes back ends the journal") {
  const std::string bytes = journal_bytes(9);
  const std::string header = bytes.substr(0, parse_journal(bytes, "j", -1).valid_bytes);
  const JournalContents contents = parse_journal(bytes + bytes.substr(header.size()), "j");
  CHECK(equal_rows(contents.series.rows, rows_up_to(9)));
}

TEST_CASE("a header with a right checksum and wrong contents is refused") {
  const auto with_header = [](const std::string& text) {
    std::string checked(8, '\xff');  // step -1
    checked += text;
    const std::uint32_t words[2] = {static_cast<std::uint32_t>(text.size()), crc32c(checked)};
    return "PRCPJNL1" + std::string(reinterpret_cast<const char*>(words), 8) + checked;
  };
  const std::string good =
      R"({"identity":"a","groups":[{"name":"m","series":[{"name":"s","units":"1","long_name":""}],"sites":[]}]})";
  CHECK(parse_journal(with_header(good), "j").identity == "a");
  for (const std::string bad : {"", "{", "[]", "{}", R"({"identity":1,"groups":[]})", R"({"identity":"a","groups":3})",
                                R"({"identity":"a","groups":[{"name":"m","series":[],"sites":[]}]})", "\xff\xfe"})
    CHECK_THROWS_AS(parse_journal(with_header(bad), "j"), DataError);
  CHECK_THROWS_AS(parse_journal(with_header(std::string(200000, '[')), "j"), DataError);
}

TEST_CASE("rows that break the contract are refused before anything is written") {
  const TemporaryDirectory directory;
  JournalWriter writer = JournalWriter::create(directory.path(), "j", kIdentity, two_groups());
  append_steps(writer, 0, 5);
  const std::string before = read_file(directory / "j", kMaxJournalBytes);
  const auto append = [&](std::int64_t step, std::vector<SeriesRow> rows) { writer.append(step, rows); };
  CHECK_THROWS_AS(append(4, {{0, 4, {1, 2}}}), ContractError);
  CHECK_THROWS_AS(append(6, {{0, 6, {1}}}), ContractError);
  CHECK_THROWS_AS(append(6, {{0, 7, {1, 2}}}), ContractError);
  CHECK_THROWS_AS(append(6, {{2, 6, {1, 2}}}), ContractError);
  CHECK_THROWS_AS(append(6, {{0, 6, {1, 2}}, {0, 6, {1, 2}}}), ContractError);
  CHECK(read_file(directory / "j", kMaxJournalBytes) == before);
}

TEST_CASE("a full disk fails the append, keeps every whole row, and the append can be repeated") {
  const TemporaryDirectory directory;
  const std::filesystem::path path = directory / "j";
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    JournalWriter writer = JournalWriter::create(path.parent_path(), path.filename(), kIdentity, two_groups());
    append_steps(writer, 0, 9);
    rlimit limit{};
    ::getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = std::filesystem::file_size(path) + 20;  // a record is longer: the write is cut short
    ::setrlimit(RLIMIT_FSIZE, &limit);
    try {
      append_steps(writer, 10, 10);
      ::_exit(1);
    } catch (const OutputError&) {
    }
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_FSIZE, &limit);
    append_steps(writer, 10, 19);
    ::_exit(7);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  REQUIRE((WIFEXITED(status) && WEXITSTATUS(status) == 7));
  const JournalContents contents = read_journal(path);
  CHECK(equal_rows(contents.series.rows, rows_up_to(19)));
  CHECK(contents.valid_bytes == contents.file_bytes);
}

TEST_CASE("a writer killed at a random moment loses no acknowledged step") {
  std::mt19937_64 random(4);
  for (int round = 0; round < 20; ++round) {
    const TemporaryDirectory directory;
    const std::filesystem::path path = directory / "j";
    int acknowledged[2];
    REQUIRE(::pipe(acknowledged) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
      JournalWriter writer = JournalWriter::create(path.parent_path(), path.filename(), kIdentity, two_groups());
      for (std::int64_t step = 0;; ++step) {
        writer.append(step, rows_of_step(step));
        if (::write(acknowledged[1], &step, sizeof step) != sizeof step) ::_exit(1);
      }
    }
    ::close(acknowledged[1]);
    const auto wanted = static_cast<std::int64_t>(random() % 500);
    std::int64_t last = -1, step = -1;
    while (last < wanted && ::read(acknowledged[0], &step, sizeof step) == sizeof step) last = step;
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    while (::read(acknowledged[0], &step, sizeof step) == sizeof step) last = step;
    ::close(acknowledged[0]);
    const JournalContents contents = read_journal(path);
    REQUIRE(contents.series.rows.back().step >= last);
    REQUIRE(is_prefix(contents.series.rows, rows_up_to(contents.series.rows.back().step)));
  }
}

}  // namespace precipice
