// SPDX-License-Identifier: Apache-2.0
#include "train/config/settings.h"

#include <filesystem>
#include <map>

#include "precision/rounding/random_bits.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "train/config/labelled_settings.h"

using namespace precipice;
using Catch::Contains;

TEST_CASE("settings carry dotted keys, typed values and their lines") {
  const auto settings =
      parse_settings("seed = 3\n[optimizer]\nlr = 1e-3\n[sweep]\n\"optimizer.lr\" = [1, 2.5]\nx.y = \"t\"\n", "a.toml");
  REQUIRE(settings.size() == 4);
  CHECK(settings[0].key == "seed");
  CHECK(std::get<std::int64_t>(settings[0].values[0]) == 3);
  CHECK(settings[1].key == "optimizer.lr");
  CHECK(settings[1].where.line == 3);
  CHECK(settings[2].key == "sweep.optimizer.lr");
  CHECK(settings[2].is_array);
  CHECK(settings[2].values.size() == 2);
  CHECK(settings[3].key == "sweep.x.y");
  CHECK(settings[3].where.value == "\"t\"");
}

TEST_CASE("an included file's settings stand before the own ones, which win, and axes win over both") {
  const TemporaryDirectory place;
  std::filesystem::create_directories(place / "base");
  write_text(place / "base/deep.toml", "seed = 1\ntrain.steps = 7\n");
  write_text(place / "base/base.toml", "include = \"deep.toml\"\nseed = 2\n[optimizer]\nlr = 1e-3\nbeta2 = 0.95\n");
  write_text(place / "own.toml",
             "include = \"base/base.toml\"\noptimizer.lr = 3e-3\n[sweep]\n\"optimizer.beta2\" = \"0.9,0.99\"\n");
  const LabelledSettings read = read_sweep_settings(place / "own.toml");
  std::map<std::string, std::string> values;
  for (const Setting& setting : read.settings) values[setting.key] = to_toml(setting.values.front());
  CHECK(values ==
        std::map<std::string, std::string>{
            {"seed", "2"}, {"train.steps", "7"}, {"optimizer.lr", "0.003"}, {"sweep.optimizer.beta2", "'0.9,0.99'"}});
  REQUIRE(read.included.size() == 2);
  CHECK(read.included[1] == (place / "base/base.toml").string());
  // A mistake is named with the file in which it stands.
  CHECK(read.settings.front().where.file == (place / "base/deep.toml").string());
  CHECK(read_with_includes(place / "base/base.toml").settings.size() == 4);
  // A run's own config includes nothing, so that no crafted directory makes the program read other files.
  CHECK(read_settings(place / "own.toml").front().key == "include");
}

TEST_CASE("an include that cannot be is refused with its place") {
  const TemporaryDirectory place;
  const auto refused = [&](const std::string& text) {
    write_text(place / "own.toml", text);
    try {
      read_with_includes(place / "own.toml");
    } catch (const ConfigError& error) {
      return std::string(error.what());
    }
    return std::string("read");
  };
  CHECK_THAT(refused("include = 3\n"), Contains("own.toml:1: include = 3") && Contains("path of one TOML file"));
  CHECK_THAT(refused("include = [\"a\", \"b\"]\n"), Contains("path of one TOML file"));
  CHECK_THAT(refused("seed = 1\ninclude = \"none.toml\"\n"), Contains("own.toml:2") && Contains("none.toml"));
  CHECK_THAT(refused("include = \"own.toml\"\n"), Contains("circle"));
  write_text(place / "swept.toml", "[sweep]\nseed = \"0,1\"\n");
  CHECK_THAT(refused("include = \"swept.toml\"\n"), Contains("swept.toml:2") && Contains("no [sweep]"));
  write_text(place / "claimed.toml", "[[claim]]\nid = \"a\"\n");
  CHECK_THAT(refused("include = \"claimed.toml\"\n"), Contains("claimed.toml"));
  write_text(place / "broken.toml", "a = = 1\n");
  CHECK_THAT(refused("include = \"broken.toml\"\n"), Contains("broken.toml:1"));
  for (int i = 0; i < 6; ++i)
    write_text(place / ("chain" + std::to_string(i) + ".toml"),
               "include = \"chain" + std::to_string(i + 1) + ".toml\"\n");
  CHECK_THAT(refused("include = \"chain0.toml\"\n"), Contains("4 deep"));
}

TEST_CASE("broken TOML is refused with file and line") {
  CHECK_THROWS_WITH(parse_settings("a = 1\na = 2\n", "a.toml"), Contains("a.toml:2"));
  CHECK_THROWS_WITH(parse_settings("[train\n", "a.toml"), Contains("a.toml:1"));
  CHECK_THROWS_WITH(parse_settings("\n\nlr = = 3", "a.toml"), Contains("a.toml:3"));
  CHECK_THROWS_WITH(parse_settings("x = nan", "a.toml"), Contains("a.toml:1") && Contains("NaN"));
  CHECK_THROWS_WITH(parse_settings("x = 2020-01-01", "a.toml"), Contains("expected"));
  CHECK_THROWS_WITH(parse_settings("x = 99999999999999999999", "a.toml"), Contains("a.toml:1"));
  CHECK_THROWS_AS(parse_settings("x = \"\xff\xfe\"", "a.toml"), ConfigError);
  CHECK_THROWS_WITH(parse_settings("a.b.c.d.e.f.g.h.i.j.k = 1", "a.toml"), Contains("nested"));
  CHECK_THROWS_AS(read_settings("/dev/zero"), ConfigError);
  CHECK_THROWS_AS(read_settings("/"), ConfigError);
  CHECK_THROWS_AS(read_settings("/nonexistent.toml"), ConfigError);
}

TEST_CASE("a number that is not zero and would read as zero is refused with its place") {
  for (const char* number : {"1e-400", "-1e-400", "0.0001e-999", "+3_0.0e-1000", "1E-324"}) {
    CAPTURE(number);
    const std::string text = number;
    CHECK_THROWS_WITH(parse_settings("a = 1\n[b]\nx = " + text + " # small\n", "a.toml"),
                      Contains("a.toml:3: b.x = " + text + ": is not zero"));
    CHECK_THROWS_WITH(parse_settings("\"\u00fc\u00df\" = [\n 0.0, 1e-3,\n  " + text + "]", "a.toml"),
                      Contains(" = " + text + ": is not zero"));
    CHECK_THROWS_WITH(parse_assignment("optimizer.lr=" + text), Contains("optimizer.lr = " + text + ": is not zero"));
    CHECK_THROWS_WITH(parse_assignment("metrics.epsilons=[1e-3, " + text + "]"), Contains("is not zero"));
  }
  for (const char* number : {"0.0", "-0.0", "0e-400", "0.000E5", "5e-324", "1e-310", "0"})
    CHECK_NOTHROW(parse_assignment(std::string("optimizer.lr=") + number));
  CHECK(std::get<double>(parse_assignment("optimizer.lr=5e-324").values[0]) > 0);
}

TEST_CASE("an assignment takes one TOML value or a bare word") {
  CHECK(std::get<double>(parse_assignment("optimizer.lr=1e-3").values[0]) == 1e-3);
  CHECK(std::get<std::int64_t>(parse_assignment("train.steps=20").values[0]) == 20);
  CHECK(std::get<std::string>(parse_assignment("data.path=../shared/a b.txt").values[0]) == "../shared/a b.txt");
  CHECK(std::get<std::string>(parse_assignment("precision.x=e4m3:bias=8,specials=ieee").values[0]) ==
        "e4m3:bias=8,specials=ieee");
  CHECK(std::get<std::string>(parse_assignment("a=\"x\"").values[0]) == "x");
  CHECK(std::get<bool>(parse_assignment("a=true").values[0]));
  CHECK(parse_assignment("metrics.epsilons=[1e-3, 5e-4]").is_array);
}

TEST_CASE("an assignment cannot smuggle in another key, a table, NaN or half a value") {
  for (const char* text :
       {"optimizer.lr=0.1\n[evil]\na=1", "a={b=1}", "a=nan", "a=-nan", "a=[1,", "a=\"x", "noequals", "=1"})
    CHECK_THROWS_AS(parse_assignment(text), ConfigError);
}

TEST_CASE("ten thousand mutated assignments and files give a value or a ConfigError, never anything else") {
  const std::string seeds[] = {"optimizer.lr=1e-3", "a=[1, 2.5, \"x\"]", "[a]\nb = 3\nc = \"text\"\n", "x.y.z=true"};
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    std::string text = seeds[i % 4];
    const Philox4 words = random_block({1, 2, 3, 4}, i);
    for (int k = 0; k < 1 + int(words.word[3] % 3); ++k)
      text[words.word[k] % text.size()] = static_cast<char>((words.word[k] >> 16) & 0xff);
    try {
      if (i % 4 == 2)
        parse_settings(text, "m.toml");
      else
        parse_assignment(text);
    } catch (const ConfigError& error) {
      CHECK(std::string(error.what()).find('\n') == std::string::npos);
    }
  }
}

TEST_CASE("text prints in single quotes wherever TOML allows it, and reads back") {
  // The hash of what is printed names a run's directory: it must never change.
  for (int c = 0x20; c < 0x7f; ++c) {
    const std::string text = std::string("x") + static_cast<char>(c) + "y";
    const std::string printed = to_toml(Scalar(text));
    CHECK(printed == (c == '\'' ? "\"x'y\"" : "'" + text + "'"));
    CHECK(std::get<std::string>(parse_settings("a = " + printed, "")[0].values[0]) == text);
  }
  CHECK(to_toml(Scalar(std::string())) == "''");
  CHECK(to_toml(Scalar(std::string("a\tb"))) == "'a\tb'");
}

TEST_CASE("scalars print so that they read back to themselves") {
  for (const Scalar& value : {Scalar(true), Scalar(std::int64_t{-5}), Scalar(0.1), Scalar(5.0), Scalar(1e-30),
                              Scalar(1e300), Scalar(std::string("a \"b\"\\ c"))}) {
    bool is_array = true;
    const auto read = parse_value(to_toml(value), is_array, {});
    CHECK_FALSE(is_array);
    CHECK(read[0] == value);
  }
}
