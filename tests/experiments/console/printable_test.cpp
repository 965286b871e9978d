// SPDX-License-Identifier: Apache-2.0
// What reaches a terminal from text that somebody else wrote.
#include "experiments/console/printable.h"

#include <nlohmann/json.hpp>
#include <random>

#include "tests/support/catch.h"
#include "train/config/settings.h"

using namespace precipice;

TEST_CASE("ordinary text in any script is printed as it is") {
  for (const std::string text : {"", "plain", "two\nlines\tand a tab\n", "é ± µ → 漢字 🜁 שלום مرحبا", "a\\b"})
    CHECK(printable(text) == text);
}

TEST_CASE("controls, marks of direction and bytes that are no UTF-8 are shown instead of sent") {
  CHECK(printable("\x1b]0;title\x07") == "\\u001b]0;title\\u0007");
  CHECK(printable("a\rb\bc\x7f") == "a\\u000db\\u0008c\\u007f");
  CHECK(printable(std::string_view("\0", 1)) == "\\u0000");
  CHECK(printable("\xc2\x9b"
                  "2J") == "\\u009b2J");  // CSI as one character of C1
  CHECK(printable("\xe2\x80\xae"
                  "txt.exe") == "\\u202etxt.exe");  // right-to-left override
  CHECK(printable("\xe2\x81\xa6x\xd8\x9c\xe2\x80\xa8") == "\\u2066x\\u061c\\u2028");
  CHECK(printable("\x9b"
                  "2J") == "\\x9b2J");  // CSI as a byte, as 8-bit terminals take it
  CHECK(printable("\xc0\x9b|\xe0\x80\x9b|\xf8\x88\x80\x80\x80") ==
        "\\xc0\\x9b|\\xe0\\x80\\x9b|\\xf8\\x88\\x80\\x80\\x80");  // overlong forms
  CHECK(printable("\xed\xa0\x80\xf4\x90\x80\x80\xe6\xbc") == "\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80\\xe6\\xbc");
  CHECK(printable_line("one\r\ntwo\tthree\x1b \n\n") == "one  two three\\u001b");
}

TEST_CASE("no bytes whatever leave a control behind") {
  std::mt19937_64 random(3);
  for (int round = 0; round < 20'000; ++round) {
    std::string text(1 + random() % 12, '\0');
    for (char& c : text) c = static_cast<char>(random() % 4 == 0 ? 0xC2 : random() % 256);
    const std::string shown = printable_line(text);
    for (std::size_t i = 0; i < shown.size(); ++i) {
      const auto c = static_cast<unsigned char>(shown[i]);
      REQUIRE((c >= 0x20 && c != 0x7f));
      const auto before = i > 0 ? static_cast<unsigned char>(shown[i - 1]) : 0;
      REQUIRE_FALSE((before == 0xC2 && c >= 0x80 && c < 0xA0));
    }
    REQUIRE_NOTHROW(nlohmann::json(shown).dump());  // UTF-8, or it throws
  }
}

TEST_CASE("what is shown in a JSON or TOML string reads back as the text that was there") {
  const std::string text =
      "a\xe2\x80\xae"
      "b\xc2\x9b"
      "c\x7f";
  CHECK(nlohmann::json::parse(printable(nlohmann::json(text).dump())) == text);
  bool is_array = false;
  CHECK(parse_value(printable(to_toml(Scalar(text))), is_array, {}) == std::vector<Scalar>{text});
}

TEST_CASE("text is cut and counted by characters") {
  CHECK(first_characters("aé漢b", 0).empty());
  CHECK(first_characters("aé漢b", 2) == "aé");
  CHECK(first_characters("aé漢b", 3) == "aé漢");
  CHECK(first_characters("aé漢b", 9) == "aé漢b");
  CHECK(count_characters("aé漢b") == 4);
}
