// SPDX-License-Identifier: Apache-2.0
// Sweep directories that grow: the record keeps every run that was ever there, with a value for each axis.
#include "experiments/sweep/sweep_union.h"

#include <map>

#include "experiments/sweep/observed_run.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

using namespace precipice;
namespace fs = std::filesystem;

namespace {

const std::string kCommand = "precipice sweep";

struct Place {
  // Records a sweep and makes its run directories, as `precipice sweep` does.
  JoinedSweep sweep(const std::string& toml, const std::vector<std::string>& assignments, bool add = false,
                    const std::string& command = kCommand) const {
    const Sweep sweep = make_labelled_sweep(parse_sweep_settings(toml, "s.toml"), read_assignments(assignments));
    const std::vector<SweepRun> runs = expand_sweep(sweep);
    JoinedSweep joined = record_sweep(dir.path(), sweep, runs, command, add);
    for (const SweepRun& run : runs) RunDirectory(dir.path() / run.id).claim(run.config);
    return joined;
  }

  std::string refusal(const std::string& toml, const std::vector<std::string>& assignments) const {
    try {
      sweep(toml, assignments);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "";
  }

  SweepRecord record() const { return read_record(dir.path()).value(); }

  // The rows of the record: the values of each run in the order of the axes.
  std::vector<std::string> rows() const {
    std::vector<std::string> rows;
    for (const RecordedRun& run : record().runs) {
      rows.emplace_back();
      for (const AxisValue& value : run.values) rows.back() += (rows.back().empty() ? "" : " ") + to_text(value);
    }
    return rows;
  }

  TemporaryDirectory dir;
};

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("one more seed joins the runs that are there", "[sweep_union]") {
  Place place;
  place.sweep("", {"optimizer.lr=1e-3,1e-2", "seed=0,1"});
  // A single value makes no axis of its own; the record's axis takes it.
  const JoinedSweep joined = place.sweep("", {"optimizer.lr=1e-3,1e-2", "seed=5"});
  CHECK(joined.earlier == 4);
  CHECK(place.record().axes == Texts{"optimizer.lr", "seed"});
  CHECK(place.rows() == Texts{"0.001 5", "0.01 5", "0.001 0", "0.001 1", "0.01 0", "0.01 1"});
  CHECK(place.record().base.empty());
  for (const RecordedRun& run : place.record().runs) CHECK(fs::exists(place.dir.path() / run.id / kConfigFileName));
}

TEST_CASE("one seed after another makes an axis of seeds", "[sweep_union]") {
  Place place;
  place.sweep("", {"seed=0"});
  place.sweep("", {"seed=1"});
  CHECK(place.record().axes == Texts{"seed"});
  CHECK(place.rows() == Texts{"1", "0"});
}

TEST_CASE("a sweep along a new axis gives the old runs its value from their configs", "[sweep_union]") {
  Place place;
  place.sweep("", {"seed=0,1", "optimizer.weight_decay=0.5"});
  place.sweep("", {"optimizer.weight_decay=0.5,0.25", "seed=1", "data.seed=1,7"});
  // The last command's axes first; data.seed of the first sweep followed seed.
  CHECK(place.record().axes == Texts{"optimizer.weight_decay", "data.seed", "seed"});
  CHECK(place.rows() == Texts{"0.5 1 1", "0.5 7 1", "0.25 1 1", "0.25 7 1", "0.5 0 0"});
}

TEST_CASE("other base settings are refused with their keys, and taken in when that is meant", "[sweep_union]") {
  Place place;
  place.sweep("train.steps = 20\n", {"seed=0,1"});
  const std::string before = text_of(place.dir.path() / kSweepFileName);
  const std::string refusal = place.refusal("train.steps = 30\ntrain.batch = 4\n", {"seed=0,1,2"});
  CHECK(contains(refusal, "train.steps is 20 there and 30 here"));
  CHECK(contains(refusal, "train.batch is 16 there and 4 here"));
  CHECK(contains(refusal, "`add`"));
  CHECK_FALSE(contains(refusal, "seed"));
  CHECK(text_of(place.dir.path() / kSweepFileName) == before);

  place.sweep("train.steps = 30\n", {"seed=0"}, true);
  CHECK(place.record().axes == Texts{"seed", "train.steps"});
  CHECK(place.rows() == Texts{"0 30", "0 20", "1 20"});
  CHECK(place.record().base.empty());
  // From now on this key is an axis: neither value needs to be asked for again.
  CHECK(place.refusal("train.steps = 20\n", {"seed=9"}).empty());
  CHECK(place.rows() == Texts{"9 20", "0 30", "0 20", "1 20"});
}

TEST_CASE("base settings are compared by what they mean", "[sweep_union]") {
  Place place;
  place.sweep("train.steps = 400\noptimizer.beta2 = 0.95\n", {"seed=0"});
  // The defaults written out, another order, another type of number.
  CHECK(place.refusal("optimizer.beta2 = 0.95\ntrain.batch = 16\n", {"seed=1"}).empty());
  CHECK(place.refusal("precision.recipe = \"mxfp8\"\noptimizer.beta2 = 0.95\n", {"seed=2"}) != "");
  // One key differs, and what follows from it is not named beside it.
  CHECK(contains(place.refusal("precision.recipe = \"mxfp8\"\noptimizer.beta2 = 0.95\n", {"seed=2"}),
                 "other settings: precision.recipe is 'bf16' there and 'mxfp8' here;"));
}

TEST_CASE("1 and 1.0 are one value of an axis", "[sweep_union]") {
  Place place;
  place.sweep("", {"optimizer.lr=1,2.5", "seed=0"});
  place.sweep("", {"optimizer.lr=1.0,3.5", "seed=1"});
  CHECK(place.rows() == Texts{"1.0 1", "3.5 1", "1.0 0", "2.5 0"});
}

TEST_CASE("a run whose directory is gone stays in the record", "[sweep_union]") {
  Place place;
  place.sweep("", {"seed=0,1"});
  fs::remove_all(place.dir.path() / place.record().runs[0].id);
  place.sweep("", {"seed=2", "optimizer.lr=1e-3,1e-2"});
  const auto rows = place.rows();
  CHECK(place.record().axes == Texts{"optimizer.lr", "seed"});
  REQUIRE(rows.size() == 4);
  CHECK(rows[2].ends_with(" 0"));
  CHECK(rows[3].ends_with(" 1"));
}

TEST_CASE("the same command twice changes no byte of the record, and commands are remembered once", "[sweep_union]") {
  Place place;
  place.sweep("", {"seed=0,1"}, false, "first");
  const std::string before = text_of(place.dir.path() / kSweepFileName);
  CHECK(place.sweep("", {"seed=0,1"}, false, "first").earlier == 0);
  CHECK(text_of(place.dir.path() / kSweepFileName) == before);
  place.sweep("", {"seed=2"}, false, "second");
  place.sweep("", {"seed=0,1"}, false, "first");
  CHECK(place.record().command == "first");
  CHECK(place.record().earlier_commands == Texts{"second"});
  CHECK(place.rows() == Texts{"0", "1", "2"});
}

TEST_CASE("runs that a record of an older version forgot are found again", "[sweep_union]") {
  Place place;
  place.sweep("", {"seed=0,1,2"});
  place.sweep("train.steps = 30\n", {"seed=7"}, true);
  // As older versions left it: only the last command's run, without the keys that are new.
  const SweepRecord all = place.record();
  const std::string last = all.runs[0].id;
  write_text(
      place.dir.path() / kSweepFileName,
      "schema_version = 1\ncommand = \"precipice sweep\"\nbase = []\naxes = [\n  \"seed\",\n]\n\n[[runs]]\nid = \"" +
          all.runs[1].id + "\"\nvalues = {\"seed\" = 0}\n");
  CHECK(unlisted_runs(place.dir.path(), place.record()).size() == 3);
  const JoinedSweep joined = place.sweep("", {"seed=5"});
  CHECK(joined.recovered == 2);
  CHECK(place.rows().size() == 4);
  // The run of other settings is not mixed in, and named as long as it is not.
  CHECK(unlisted_runs(place.dir.path(), place.record()) == Texts{last});
  CHECK(place.sweep("", {"seed=5"}, true).recovered == 1);
  CHECK(place.record().axes == Texts{"seed", "train.steps"});
  CHECK(unlisted_runs(place.dir.path(), place.record()).empty());
}

TEST_CASE("labels of all commands stay, and none comes to name two values", "[sweep_union]") {
  Place place;
  const std::string axis = "[sweep]\nseed = [0]\n\"precision.recipe\" = ";
  place.sweep(axis + "[{value = \"mxfp8\", label = \"by 32\"}, \"bf16\"]\n", {});
  place.sweep(axis + "[{value = \"mxfp8:block=16\", label = \"by 16\"}, \"fp8\"]\n", {});
  const AxisLabels labels = place.record().labels;
  const std::map<std::string, std::string> expected{{"mxfp8", "by 32"}, {"mxfp8:block=16", "by 16"}};
  CHECK(labels.at("precision.recipe") == expected);
  CHECK(contains(place.refusal(axis + "[{value = \"fp8\", label = \"by 32\"}, \"bf16\"]\n", {}), "by 32"));
}
