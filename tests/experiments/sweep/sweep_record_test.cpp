// SPDX-License-Identifier: Apache-2.0
// sweep.toml: what is written reads back, sweeps grow, damage is one line.
#include "experiments/sweep/sweep_record.h"

#include "tests/support/catch.h"
#include "tests/support/files.h"

using namespace precipice;
namespace fs = std::filesystem;

namespace {

SweepRecord record_of(const std::string& toml, const std::vector<std::string>& assignments) {
  const Sweep sweep = make_sweep(parse_settings(toml, "s.toml"), read_assignments(assignments));
  return make_record(sweep, expand_sweep(sweep), "precipice sweep 'a b'");
}

std::vector<std::string> ids(const SweepRecord& record) {
  std::vector<std::string> out;
  for (const RecordedRun& run : record.runs) out.push_back(run.id);
  return out;
}

std::string error_of(const fs::path& directory, const std::string& text) {
  write_text(directory / kSweepFileName, text);
  try {
    read_record(directory);
  } catch (const DataError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a record reads back as it was written", "[sweep_record]") {
  TemporaryDirectory dir;
  const SweepRecord written = record_of("train.steps = 20\nprecision.recipe = \"fp8\"\n",
                                        {"optimizer.lr=1e-3,1e-2", "seed=0,1", "metrics.epsilons=[1e-3],[1e-3,5e-4]"});
  write_record(dir.path() / "sweep", written);
  const auto read = read_record(dir.path() / "sweep");
  REQUIRE(read);
  CHECK(read->command == written.command);
  CHECK(read->base == std::vector<std::string>{"precision.recipe = 'fp8'", "train.steps = 20"});
  CHECK(read->axes == std::vector<std::string>{"optimizer.lr", "seed", "metrics.epsilons"});
  REQUIRE(ids(*read) == ids(written));
  REQUIRE(read->runs.size() == 8);
  for (std::size_t i = 0; i < read->runs.size(); ++i) CHECK(read->runs[i].values == written.runs[i].values);
}

TEST_CASE("a directory without sweep.toml has no record", "[sweep_record]") {
  TemporaryDirectory dir;
  CHECK_FALSE(read_record(dir.path()));
}

TEST_CASE("labels and earlier commands read back, whatever characters they hold", "[sweep_record]") {
  TemporaryDirectory dir;
  SweepRecord written = record_of("", {"precision.recipe=bf16,fp8", "seed=0"});
  written.labels["precision.recipe"] = {{"bf16", "the \"plain\" one"}, {"a\\b", "x = 'y'"}};
  written.earlier_commands = {"precipice sweep a", "precipice sweep 'b c'"};
  write_record(dir.path(), written);
  const SweepRecord read = read_record(dir.path()).value();
  CHECK(read.labels == written.labels);
  CHECK(read.earlier_commands == written.earlier_commands);
  // As the report's reader expects them.
  CHECK(contains(text_of(dir.path() / kSweepFileName), "\n[labels.\"precision.recipe\"]\n"));
  CHECK(shown_value(read.labels, "precision.recipe", read.runs[0].values[0]) == "the \"plain\" one");
  CHECK(shown_value(read.labels, "precision.recipe", read.runs[1].values[0]) == "fp8");
  CHECK(shown_value(read.labels, "seed", {{std::int64_t{0}}, false}) == "0");
}

TEST_CASE("a damaged record is a DataError that names the file", "[sweep_record]") {
  TemporaryDirectory dir;
  const std::string head = "base = []\naxes = [\"seed\"]\n";
  CHECK(contains(error_of(dir.path(), "base = ["), "sweep.toml: damaged: line 1"));
  CHECK(contains(error_of(dir.path(), "axes = []\n"), "no array \"base\""));
  CHECK(contains(error_of(dir.path(), "base = [1]\naxes = []\n"), "no text"));
  CHECK(
      contains(error_of(dir.path(), head + "[[runs]]\nid = \"../../evil0\"\nvalues = {seed = 1}\n"), "ten hex digits"));
  CHECK(contains(error_of(dir.path(), head + "[[runs]]\nid = \"\"\nvalues = {seed = 1}\n"), "ten hex digits"));
  CHECK(contains(error_of(dir.path(), head + "[[runs]]\nid = \"0123456789\"\nvalues = {}\n"), "no value of seed"));
  CHECK(
      contains(error_of(dir.path(), head + "[[runs]]\nid = \"0123456789\"\nvalues = {seed = {a = 1}}\n"), "no value"));
  CHECK(contains(error_of(dir.path(), head + "runs = [1]\n"), "no table"));
  const std::string run = "[[runs]]\nid = \"0123456789\"\nvalues = {seed = 1}\n";
  CHECK(contains(error_of(dir.path(), head + run + run), "run 0123456789 is there twice"));
  CHECK(contains(error_of(dir.path(), head + "labels = 1\n"), "\"labels\" is no table"));
  CHECK(contains(error_of(dir.path(), head + "[labels]\nseed = 1\n"), "labels of seed"));
  CHECK(contains(error_of(dir.path(), head + "[labels.seed]\n\"1\" = 2\n"), "a label of seed is no text"));
}

TEST_CASE("an axis that is no key of a config is a damaged record, as it would become a name in files",
          "[sweep_record]") {
  TemporaryDirectory dir;
  for (const std::string axis : {"", "/", ".", "..", "seed/../../x", "nonsense", "\\u001b[2J", "\\u0000", "seed\\n"}) {
    const std::string error = error_of(dir.path(), "base = []\naxes = [\"" + axis + "\"]\n");
    CAPTURE(axis);
    CHECK(contains(error, "sweep.toml: damaged: the axis \""));
    CHECK(contains(error, "is no key of a config"));
  }
  CHECK(contains(error_of(dir.path(), "base = []\naxes = [\"seed\", \"seed\"]\n"), "is there twice"));
}
