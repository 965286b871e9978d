// SPDX-License-Identifier: Apache-2.0
#include "experiments/cli/option_names.h"

#include "experiments/sweep/plan.h"
#include "tests/support/catch.h"

using namespace precipice;

namespace {

struct Parser {
  Parser() {
    app.add_option("RUN", run);
    app.add_option("--from", from);
    app.add_flag("--force", force);
  }
  CLI::App app;
  std::string run, from;
  bool force = false;
  OptionNames names{&app, {{"checkpoint", "--from"}}};
};

template <class Error>
std::string translated(const Parser& parser, const Error& error) {
  try {
    parser.names.translate([&]() -> int { throw error; });
  } catch (const Error& caught) {
    return caught.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a parameter is the option of its name, the operand, or what the command says", "[option_names]") {
  const Parser parser;
  CHECK(parser.names.option_of("force") == "--force");
  CHECK(parser.names.option_of("run") == "RUN");
  CHECK(parser.names.option_of("checkpoint") == "--from");
  CHECK(parser.names.option_of("jobs").empty());
  CHECK(parser.names.option_of("").empty());
}

TEST_CASE("names between marks become options where the command has them, other words stay", "[option_names]") {
  const Parser parser;
  CHECK(parser.names.in_text("`force` replaces it; `checkpoint` 0 takes the start") ==
        "--force replaces it; --from 0 takes the start");
  CHECK(parser.names.in_text("see `precipice config`; `force` it") == "see `precipice config`; --force it");
  CHECK(parser.names.in_text("a ` alone, then `force`") == "a ` alone, then --force");
  CHECK(parser.names.in_text("an open `force") == "an open `force");
  CHECK(parser.names.in_text("").empty());
}

TEST_CASE("a refused parameter is said to stand on the command line, a key of a file stays where it is",
          "[option_names]") {
  const Parser parser;
  CHECK(translated(parser, ConfigError({"", 0, "checkpoint", "7"}, "not there; `force` it")) ==
        "command line: --from = 7: not there; --force it");
  CHECK(translated(parser, ConfigError({"a.toml", 3, "force", "7"}, "bad")) == "a.toml:3: force = 7: bad");
  CHECK(translated(parser, ConfigError({"", 0, "device", "cuda"}, "bad")) == "device = cuda: bad");
  CHECK(translated(parser, DataError("give `from`")) == "give --from");
  CHECK(translated(parser, NotEnoughMemory("give `from`")) == "give --from");
  CHECK(parser.names.translate([] { return 3; }) == 3);
}
