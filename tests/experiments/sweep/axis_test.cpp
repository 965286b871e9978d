// SPDX-License-Identifier: Apache-2.0
// The grammar of sweep values: expected values written by hand from the definition of each form.
#include "experiments/sweep/axis.h"

#include <random>

#include "tests/support/catch.h"

using namespace precipice;

namespace {

const ConfigError::Where kWhere{"command line", 0, "some.key", ""};

std::vector<std::string> texts(const std::string& expression, KeyKind kind = KeyKind::Single) {
  std::vector<std::string> out;
  for (const AxisValue& value : parse_axis(expression, kind, kWhere)) out.push_back(to_toml(value));
  return out;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("commas separate values of their own types", "[axis]") {
  CHECK(texts("1e-3,1e-2,1e-1") == Texts{"0.001", "0.01", "0.1"});
  CHECK(texts("bf16,fp8") == Texts{"'bf16'", "'fp8'"});
  CHECK(texts(" 1 , true,\t2.5 ") == Texts{"1", "true", "2.5"});
  CHECK(texts("7") == Texts{"7"});
}

TEST_CASE("commas inside quotes and brackets do not separate", "[axis]") {
  CHECK(texts(R"("a,b",c)") == Texts{"'a,b'", "'c'"});
  CHECK(texts(R"('a,b')") == Texts{"'a,b'"});
  CHECK(parse_axis(R"("a\",b")", KeyKind::Single, kWhere).size() == 1);
  CHECK(texts("dir(1,2).txt") == Texts{"'dir(1,2).txt'"});
}

TEST_CASE("range counts from its first number to before its end", "[axis]") {
  CHECK(texts("range(0,3)") == Texts{"0", "1", "2"});
  CHECK(texts("range(3, 10, 3)") == Texts{"3", "6", "9"});
  CHECK(texts("range(3,0,-1)") == Texts{"3", "2", "1"});
  CHECK(texts("range(-1,1)") == Texts{"-1", "0"});
  CHECK(texts("range(0,2),7") == Texts{"0", "1", "7"});
  CHECK(texts("range(9223372036854775806,9223372036854775807)") == Texts{"9223372036854775806"});
}

TEST_CASE("two dots count with both ends, colons as range does", "[axis]") {
  CHECK(texts("0..3") == Texts{"0", "1", "2", "3"});
  CHECK(texts("-2..-1") == Texts{"-2", "-1"});
  CHECK(texts("5..5") == Texts{"5"});
  CHECK(texts("0:3") == Texts{"0", "1", "2"});
  CHECK(texts("0:6:2") == Texts{"0", "2", "4"});
  CHECK(texts("0..1,7,8:10") == Texts{"0", "1", "7", "8", "9"});
  CHECK(texts("9223372036854775805..9223372036854775806") == Texts{"9223372036854775805", "9223372036854775806"});
  for (const char* bad : {"3..0", "3:0", "0:4:0", "0..100000", "0..9223372036854775807"})
    CHECK_THROWS_AS(texts(bad), ConfigError);
  // What is no such interval stays what it was.
  CHECK(texts("1..x") == Texts{"'1..x'"});
  CHECK(texts("0..3", KeyKind::Text) == Texts{"'0..3'"});
  CHECK(texts("0:3", KeyKind::Text) == Texts{"'0:3'"});
}

TEST_CASE("logspace includes both ends and gives clean numbers", "[axis]") {
  CHECK(texts("logspace(1e-4,1e-1,7)") ==
        Texts{"0.0001", "0.000316228", "0.001", "0.00316228", "0.01", "0.0316228", "0.1"});
  CHECK(texts("logspace(1,100,3)") == Texts{"1.0", "10.0", "100.0"});
  CHECK(texts("logspace(0.123456789,1,2)") == Texts{"0.123456789", "1.0"});
}

TEST_CASE("an array is several values, and one value for a key that is a list", "[axis]") {
  CHECK(texts("[1, 2]") == Texts{"1", "2"});
  CHECK(texts("[1e-3, 5e-4]", KeyKind::List) == Texts{"[0.001, 0.0005]"});
  CHECK(texts("[1e-3],[1e-3,5e-4]", KeyKind::List) == Texts{"[0.001]", "[0.001, 0.0005]"});
}

TEST_CASE("a text key keeps words that look like numbers as text", "[axis]") {
  CHECK(texts("2024,true,bf16", KeyKind::Text) == Texts{"'2024'", "'true'", "'bf16'"});
}

TEST_CASE("a setting of a TOML file is an axis as array, as expression or as one value", "[axis]") {
  const auto settings = parse_settings("a = [1, 2]\nb = \"range(0,2)\"\nc = 5\nd = [\"x,y\"]\n", "f.toml");
  CHECK(axis_values(settings[0], KeyKind::Single).size() == 2);
  CHECK(axis_values(settings[1], KeyKind::Single).size() == 2);
  CHECK(axis_values(settings[2], KeyKind::Single).size() == 1);
  CHECK(to_text(axis_values(settings[3], KeyKind::Text).front()) == "x,y");
}

TEST_CASE("what is no axis is refused", "[axis]") {
  const std::string text =
      GENERATE(as<std::string>{}, "", ",", "1,", ",1", "1,,2", "[]", "[1", "1]", "(1", "[1)", "\"a", "'a", "range(1)",
               "range(0,3,0)", "range(0,1,2,3)", "range(0.5,2)", "range(3,0)", "range(0,10001)", "range(a,b)",
               "range()", "range([1],2)", "logspace(0,1,3)", "logspace(-1,1,3)", "logspace(1,2,1)", "logspace(1,2,2.5)",
               "logspace(1,2)", "logspace(1,inf,3)", "logspace(1,2,10001)", "nan", "1,nan", "[1,[2]]", "1\n[evil]\na=1",
               "range(-9223372036854775808,9223372036854775807)");
  CAPTURE(text);
  CHECK_THROWS_AS(parse_axis(text, KeyKind::Single, kWhere), ConfigError);
}

TEST_CASE("10,000 mutated expressions give values or a ConfigError", "[axis]") {
  const std::vector<std::string> seeds = {"a,b,c",        "range(0,3)",    "logspace(1e-4,1e-1,7)", "[1, 2.5, \"x\"]",
                                          R"("a,b",'c')", "[1e-3],[5e-4]", "range(0,2),7,true",     "{a = 1}"};
  const std::string alphabet = "0123456789.,-+eE()[]{}\"'\\ =#\n\t_abnaninfrangelogspace\x01\xff";
  std::mt19937 random(17);
  const auto pick = [&](std::size_t size) { return static_cast<std::size_t>(random() % size); };
  int accepted = 0, refused = 0;
  for (int i = 0; i < 10'000; ++i) {
    std::string text = seeds[pick(seeds.size())];
    for (std::size_t edits = 1 + pick(4); edits > 0 && !text.empty(); --edits) {
      const std::size_t at = pick(text.size());
      if (const auto kind = pick(3); kind == 0)
        text.erase(at, 1 + pick(3));
      else if (kind == 1)
        text.insert(at, 1, alphabet[pick(alphabet.size())]);
      else
        text[at] = alphabet[pick(alphabet.size())];
    }
    const auto kind = static_cast<KeyKind>(pick(3));
    try {
      const std::vector<AxisValue> values = parse_axis(text, kind, kWhere);
      REQUIRE(!values.empty());
      for (const AxisValue& value : values) REQUIRE(!to_toml(value).empty());
      ++accepted;
    } catch (const ConfigError& error) {
      REQUIRE(std::string(error.what()).find('\n') == std::string::npos);
      ++refused;
    }
  }
  CHECK(accepted > 500);
  CHECK(refused > 500);
}
