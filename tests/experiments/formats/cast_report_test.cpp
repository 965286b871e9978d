// SPDX-License-Identifier: Apache-2.0
// Numbers given on the command line: what is one, and the row that each gets.
#include "experiments/formats/cast_report.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "precision/base/check.h"
#include "tests/support/catch.h"

using namespace precipice;
using Catch::Contains;

namespace {

// The table without its head, blanks squeezed.
std::vector<std::string> rows(const CastSpec& spec, const std::vector<std::string>& words) {
  std::vector<CastNumber> numbers;
  for (const std::string& word : words) numbers.push_back(parse_number(word));
  EventCounts counts;
  std::istringstream table(cast_table(numbers, spec, counts));
  CHECK(counts.total == words.size());
  std::vector<std::string> lines;
  for (std::string line; std::getline(table, line);) {
    std::istringstream in(line);
    std::string squeezed;
    for (std::string word; in >> word;) squeezed += (squeezed.empty() ? "" : " ") + word;
    lines.push_back(squeezed);
  }
  lines.erase(lines.begin());
  return lines;
}

CastSpec spec_of(const char* format, Overflow overflow = Overflow::Saturate) {
  CastSpec spec;
  spec.quantize.format = parse_float_format(format);
  spec.quantize.overflow = overflow;
  return spec;
}

}  // namespace

TEST_CASE("a row holds the result, its code, the relative error and what happened") {
  // By hand from OCP OFP8: 0.3 lies between 0.28125 and 0.3125, 1e-3 above half of the smallest subnormal 2^-9.
  CHECK(rows(spec_of("e4m3"), {"0.3", "1e-3", "448", "-500", "nan", "-inf", "1e-4", "-0", "0x1p-9"}) ==
        std::vector<std::string>{
            "0.3 0.3125 0 0101 010 0x2a +4.17e-02 -",
            "1e-3 0.001953125 0 0000 001 0x01 +9.53e-01 subnormal",
            "448 448 0 1111 110 0x7e 0 -",
            "-500 -448 1 1111 110 0xfe -1.04e-01 saturated",
            "nan nan 0 1111 111 0x7f - nan",
            "-inf -448 1 1111 110 0xfe - saturated",
            "1e-4 0 0 0000 000 0x00 -1.00e+00 underflowed",
            "-0 -0 1 0000 000 0x80 0 -",
            "0x1p-9 0.001953125 0 0000 001 0x01 0 subnormal",
        });
  CHECK(rows(spec_of("e5m2", Overflow::Native), {"1e6", "inf"}) ==
        std::vector<std::string>{"1e6 inf 0 11111 00 0x7c - overflowed", "inf inf 0 11111 00 0x7c 0 overflowed"});
  CHECK(rows(spec_of("e2m1"), {"nan"}) == std::vector<std::string>{"nan nan none none - nan"});
  CHECK(rows(spec_of("e8m0"), {"0", "-1", "3"}) == std::vector<std::string>{"0 5.877472e-39 00000000 0x00 - -",
                                                                            "-1 nan 11111111 0xff - overflowed",
                                                                            "3 2 10000000 0x80 -3.33e-01 -"});
}

TEST_CASE("numbers are rounded once, from binary64") {
  // 1.0625 is a tie of e4m3, which goes to 1; what is above it goes up, even where binary32 would not see it.
  CHECK(rows(spec_of("e4m3"), {"1.0625"})[0].starts_with("1.0625 1 "));
  CHECK(rows(spec_of("e4m3"), {"1.06250000000001"})[0].starts_with("1.06250000000001 1.125 "));
}

TEST_CASE("a word that is no number is refused by name") {
  for (const char* word : {"", "abc", "1e", "1.0x", " 1", "0.3,", "--", "1 2", "e4m3"})
    CHECK_THROWS_WITH(parse_number(word), Contains("must be a number") && Contains(word));
  for (const char* word : {"1e999", "-1e999", "1e-999"}) CHECK_THROWS_WITH(parse_number(word), Contains("binary64"));
  CHECK(parse_number("-Infinity").value == -INFINITY);
  CHECK(parse_number("4.9e-324").value == 0x1p-1074);
}

TEST_CASE("counters say what was cast, how, and what happened") {
  CastSpec spec = spec_of("e4m3:bias=8", Overflow::Propagate);
  EventCounts counts;
  cast_table({parse_number("1e9"), parse_number("1e-9"), parse_number("inf")}, spec, counts);
  nlohmann::json json = nlohmann::json::parse(counters_json(spec, counts));
  CHECK(json == nlohmann::json::parse(R"({"format": "e4m3:bias=8", "rounding": "rne", "overflow": "propagate",
    "elements": 3, "nan_in": 0, "saturated": 1, "overflowed": 1, "underflowed": 1, "subnormal": 0, "amax": "inf"})"));
  spec.quantize.rounding = Rounding::StochasticC;
  spec.quantize.random_bits = 7;
  CHECK(nlohmann::json::parse(counters_json(spec, counts))["random_bits"] == 7);
}
