// SPDX-License-Identifier: Apache-2.0
#include "precision/base/parse_number.h"

#include <cstdint>
#include <limits>

#include "tests/support/catch.h"

using namespace precipice;

TEST_CASE("a number is the whole of its text, decimal and without blanks or a plus sign") {
  CHECK(parse_number<int>("42") == 42);
  CHECK(parse_number<int>("-42") == -42);
  CHECK(parse_number<int>("007") == 7);
  CHECK(parse_number<double>("-1.5e-3") == -1.5e-3);
  for (const char* text : {"", " 1", "1 ", "+1", "1x", "x", "1.0", "0x10", "1,000", "1_000", "-", "--1"}) {
    INFO('"' << text << '"');
    CHECK_FALSE(parse_number<int>(text));
  }
}

TEST_CASE("a number beyond its type is none, at both ends") {
  CHECK(parse_number<std::uint16_t>("65535") == 65535);
  CHECK_FALSE(parse_number<std::uint16_t>("65536"));
  CHECK_FALSE(parse_number<std::uint16_t>("-1"));
  CHECK(parse_number<std::int64_t>("-9223372036854775808") == std::numeric_limits<std::int64_t>::min());
  CHECK_FALSE(parse_number<std::int64_t>("9223372036854775808"));
  CHECK_FALSE(parse_number<double>("1e400"));
  CHECK_FALSE(parse_number<double>("1e-400"));
}
