// SPDX-License-Identifier: Apache-2.0
// The register of random streams: streams keep apart, keys keep to their stream, and docs/NUMERICS.md prints the table.
#include "precision/rounding/random_streams.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/paths.h"

namespace precipice::test {
namespace {

std::string range(std::uint32_t first, std::uint32_t last) {
  return first == last ? fmt::format("{:#x}", first) : fmt::format("{:#x} to {:#x}", first, last);
}

// A row of the table in docs/NUMERICS.md.
std::string row_of(const RandomStream& s) {
  const auto counted = [](const char* what) { return *what == '\0' ? std::string() : fmt::format(": {}", what); };
  return fmt::format("| {} | {} | {}{} | {}{} | {} |", s.name, s.seed, range(s.first_site, s.last_site),
                     counted(s.site), range(s.first_operand, s.last_operand), counted(s.operand), s.step);
}

std::vector<std::string> lines_of(const std::string& text, const std::string& heading) {
  std::vector<std::string> lines;
  std::size_t at = text.find("\n" + heading + "\n");
  REQUIRE(at != std::string::npos);
  at = text.find("\n| ---", at);
  REQUIRE(at != std::string::npos);
  at = text.find('\n', at + 1) + 1;
  while (text.compare(at, 2, "| ") == 0) {
    const std::size_t end = text.find('\n', at);
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

}  // namespace

TEST_CASE("the table of random streams in docs/NUMERICS.md is the register") {
  std::vector<std::string> rows;
  for (const RandomStream* stream : kRandomStreams) rows.push_back(row_of(*stream));
  CHECK(lines_of(text_of(source_directory() + "/docs/NUMERICS.md"), "### Streams") == rows);
}

TEST_CASE("streams that share a site and an operand are seen as not apart") {
  RandomStream a = kBatchStream;
  CHECK_FALSE(are_apart(a, kBatchStream));
  a.first_site = 0, a.last_site = 0xFFFFFFFFu;
  CHECK_FALSE(are_apart(a, kDensityStream));
  a.first_operand = a.last_operand = 9;  // between those of matmuls and of validation
  CHECK(are_apart(a, kMatmulStream));
  CHECK(are_apart(a, kEvaluationStream));
  CHECK_FALSE(are_apart(a, kLogitSubspaceStream));
  a.family = SeedFamily::Statistics;
  CHECK(are_apart(a, kLogitSubspaceStream));
}

// What run files and checkpoints of earlier versions hold was drawn from these.
TEST_CASE("the first keys of the streams are the numbers that they have always been") {
  const auto check = [](const RandomKey& key, std::uint32_t step, std::uint32_t site, std::uint16_t operand) {
    CHECK(key.seed == 42);
    CHECK(key.step == step);
    CHECK(key.site == site);
    CHECK(key.operand == operand);
  };
  check(random_key(kMatmulStream, 42, 3, 7, 8), 3, 7, 8);
  check(random_key(kEvaluationStream, 42, 3, 7, 8), 3, 7, 0x108);
  check(random_key(kInitialWeightStream, 42, 0, 5), 0, 5, 0x200);
  check(random_key(kStartVectorStream, 42, 3, 5), 3, 5, 0x300);
  check(random_key(kStorageStream, 42, 3, 5, 1), 3, 0x80000005u, 1);
  check(random_key(kBatchStream, 42, 3), 3, 0x42415443, 0);
  check(random_key(kLanguageStream, 42, 4, 0, 3), 4, 0x4C414E47, 3);
  check(random_key(kTeacherStream, 42, 3, 0, 1), 3, 0x54454143, 1);
  check(random_key(kSampleStream, 42, 3, 0, 1), 3, 0x53414D50, 1);
  check(random_key(kTraceStream, 42, 3, 0, 1), 3, 0x54524143, 1);
  check(random_key(kDirectionStream, 42, 1), 1, 0x44495245, 0);
  check(random_key(kTopSpectrumStream, 42), 0, 0x544F5053, 0);
  check(random_key(kDensityStream, 42, 0, 0, 9), 0, 0x44454E53, 9);
  check(random_key(kLogitSubspaceStream, 42), 0, 0x4C4F4749, 0);
  check(random_key(kWeightSubspaceStream, 42), 0, 0x4B455342, 0);
  check(random_key(kResampleStream, 42, 3, 2), 3, 2, 0);
}

TEST_CASE("a key beyond its stream is refused") {
  CHECK_THROWS_AS(random_key(kMatmulStream, 0, 0, std::uint64_t{1} << 30, 0), ContractError);
  CHECK_THROWS_AS(random_key(kMatmulStream, 0, 0, 0, 9), ContractError);
  CHECK_THROWS_AS(random_key(kBatchStream, 0, 0, 1), ContractError);
  CHECK_THROWS_WITH(random_key(kLanguageStream, 0, 0, 0, 4), Catch::Contains("synthetic language"));
  CHECK_NOTHROW(random_key(kStorageStream, 0, 0, 0x7FFFFFFF, 3));
}

}  // namespace precipice::test
