// SPDX-License-Identifier: Apache-2.0
// Tables of TOML as their readers take them: every refusal names file, line, key, value and what is allowed.
#include "train/config/toml_file.h"

#include <functional>
#include <string>
#include <vector>

#include "metrics/files/files.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

using namespace precipice;
using Catch::Contains;
using Catch::Equals;

namespace {

const std::vector<std::string> kKeys{"name", "share", "count", "on", "ends", "kind"};
constexpr Spellings<int, 2> kKinds{{{"first", 1}, {"second", 2}}};

// What is refused where `take` looks at the table `thing` of a text whose second line is `line`.
std::string refusal(const std::string& line, const std::function<void(const TomlTable&)>& take) {
  const TomlFile file("[thing]\n" + line + "\n", "a.toml");
  try {
    take(TomlTable(file, *file.root()["thing"].as_table(), "thing", kKeys));
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a table gives the values that stand in it") {
  const TomlFile file("[thing]\nname = 'n'\nshare = 1\ncount = -3\non = true\nends = [1, 2.5]\nkind = 'Second'\n", "a");
  const TomlTable table(file, *file.root()["thing"].as_table(), "thing", kKeys);
  CHECK(table.text("name") == "n");
  CHECK(table.number("share", 0, 1) == 1);
  CHECK(table.whole("count", -3, 0) == -3);
  CHECK(table.flag("on"));
  CHECK(table.numbers("ends") == std::vector<double>{1, 2.5});
  CHECK(table.word("kind", kKinds) == 2);
  CHECK(table.has("on"));
  CHECK_FALSE(table.has("off"));
  CHECK(table.line() == 1);
}

TEST_CASE("a key that a table has not is refused with the nearest one and all that it may have") {
  CHECK_THAT(refusal("shares = 1", [](const TomlTable&) {}),
             Equals("a.toml:2: thing.shares = 1: is no key of a thing (did you mean share?); the keys are name, share, "
                    "count, on, ends, kind"));
}

TEST_CASE("a value of another kind or out of range is refused with its place and what is allowed") {
  const auto number = [](const TomlTable& table) { table.number("share", 0, 1); };
  const auto whole = [](const TomlTable& table) { table.whole("count", 1, 9); };
  const auto numbers = [](const TomlTable& table) { table.numbers("ends"); };
  CHECK_THAT(refusal("share = 1.5", number), Equals("a.toml:2: thing.share = 1.5: must be a number from 0 to 1"));
  CHECK_THAT(refusal("share = 'x'", number), Equals("a.toml:2: thing.share = \"x\": must be a number from 0 to 1"));
  CHECK_THAT(refusal("share = [1]", number), Contains("a.toml:2: thing.share = ") && Contains("must be a number"));
  CHECK_THAT(refusal("share = nan", number), Contains("a.toml:2: thing.share = nan: NaN"));
  CHECK_THAT(refusal("share = 1e-400", number), Contains("a.toml:2: thing.share = 1e-400: is not zero"));
  CHECK_THAT(refusal("count = 0", whole), Equals("a.toml:2: thing.count = 0: must be a whole number from 1 to 9"));
  CHECK_THAT(refusal("count = 2.0", whole), Contains("must be a whole number"));
  CHECK_THAT(refusal("", whole), Equals("a.toml:1: thing.count: is missing"));
  CHECK_THAT(refusal("on = 1", [](const TomlTable& table) { table.flag("on"); }),
             Equals("a.toml:2: thing.on = 1: must be true or false"));
  CHECK_THAT(refusal("name = ''", [](const TomlTable& table) { table.text("name"); }), Contains("must be text"));
  CHECK_THAT(refusal("ends = [1, 'x']", numbers), Contains("a.toml:2: thing.ends") && Contains("array of numbers"));
  CHECK_THAT(refusal("ends = [1, 1e-400]", numbers), Contains("1e-400: is not zero"));
  CHECK_THAT(refusal("ends = 1", numbers), Contains("array of numbers"));
  CHECK_THAT(refusal("kind = 'third'", [](const TomlTable& table) { table.word("kind", kKinds); }),
             Contains("a.toml:2: thing.kind = \"third\": ") && Contains("first, second"));
}

TEST_CASE("a file that is no TOML, too deep, too large or no file is refused by name") {
  CHECK_THROWS_WITH(TomlFile("a = 1\na = 2\n", "a.toml"), Contains("a.toml:2: not TOML"));
  CHECK_THROWS_WITH(TomlFile("a.b.c.d.e.f.g.h.i.j = 1", "a.toml"),
                    Contains("a.toml:1: keys are nested at most 8 deep"));
  CHECK_THROWS_AS(TomlFile::read("/dev/zero"), ConfigError);
  TemporaryDirectory dir;
  write_file_atomic(dir.path() / "large.toml", "# " + std::string(1 << 20, 'x') + "\n");
  CHECK_THROWS_WITH(TomlFile::read(dir.path() / "large.toml"), Contains("large.toml"));
}
