// SPDX-License-Identifier: Apache-2.0
#include "train/run/run_directory.h"

#include "metrics/log/journal.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/made_run.h"

using namespace precipice;
using namespace precipice::test;
namespace fs = std::filesystem;

namespace {

std::string refusal(const RunDirectory& run, const RunConfig& config) {
  try {
    run.claim(config);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

// A journal of no rows.
void write_journal(const fs::path& directory, const std::string& identity) {
  const SeriesGroup group{"metrics", {{"train_loss", "nats", "loss"}}, {}};
  JournalWriter::create(Directory(directory), kJournalFileName, identity, {group});
}

}  // namespace

TEST_CASE("the paths of a run's files are those that a run writes", "[run_directory]") {
  const MadeRun made({"train.steps=2"});
  const RunDirectory run(made.path());
  for (const fs::path& path : {run.config_file(), run.journal(), run.run_file(), run.status_file(), run.log_file(),
                               run.checkpoint_folder(), run.checkpoint_file(2)}) {
    CAPTURE(path);
    CHECK(fs::exists(path));
  }
  CHECK((run.ids() == std::vector<std::string>{run_id(made.config)}));
  CHECK(to_toml(run.read_config()) == to_toml(made.config));
  CHECK(run.read_status()->step == 2);
  CHECK(run.result() == kJournalFileName);
}

TEST_CASE("a new directory gets the config, and the same config in other words leaves it alone", "[run_directory]") {
  TemporaryDirectory place;
  const RunDirectory run(place.path() / "a/b");
  const RunConfig config = tiny_config({"train.steps=30"});
  run.claim(config);
  CHECK(text_of(run.config_file()) == to_toml(config));
  const std::string commented = "# mine\n" + to_toml(config);
  write_text(run.config_file(), commented);
  run.claim(config);
  CHECK(text_of(run.config_file()) == commented);
  CHECK(run.ids().size() == 2);
}

TEST_CASE("a directory of another run is refused with its path, the keys and both values", "[run_directory]") {
  TemporaryDirectory place;
  const RunDirectory run(place.path());
  run.claim(tiny_config({"train.steps=30"}));
  const std::string said = refusal(run, tiny_config({"train.steps=60"}));
  CHECK(contains(said, run.config_file().string()));
  CHECK(contains(said, "train.steps is 30 there and 60 here; choose another `directory`"));
}

TEST_CASE("where config.toml is lost, the journal says whose the results are", "[run_directory]") {
  TemporaryDirectory place;
  const RunDirectory run(place.path());
  const RunConfig mine = tiny_config(), other = tiny_config({"seed=1"});
  write_journal(place.path(), run_id(mine));
  CHECK(contains(refusal(run, other), "holds metrics.jnl but no config.toml"));
  CHECK_FALSE(run.has_config());
  run.claim(mine);
  CHECK(text_of(run.config_file()) == to_toml(mine));
}

TEST_CASE("results without a config and without a journal are anybody's", "[run_directory]") {
  TemporaryDirectory place;
  const RunDirectory run(place.path());
  const std::string name = GENERATE("run.h5", "ckpt", "metrics.jnl");
  fs::create_symlink(place / "nowhere", place.path() / name);
  CHECK(contains(refusal(run, tiny_config()), "holds " + name + " but no config.toml"));
  CHECK_FALSE(run.has_config());
}

TEST_CASE("a checkpoint that is not there is refused with the steps that are, and step 0 needs none",
          "[run_directory]") {
  const MadeRun made({"train.steps=4", "train.checkpoint_every=2"});
  const RunDirectory run(made.path());
  const std::string id = run_id(made.config);
  CHECK((run.checkpoint_steps() == std::vector<std::int64_t>{2, 4}));
  CHECK((run.steps_with_weights() == std::vector<std::int64_t>{0, 2, 4}));
  CHECK(run.load_checkpoint(2, id)->step == 2);
  CHECK_FALSE(run.load_checkpoint(0, id));
  CHECK_THROWS_WITH(run.load_checkpoint(3, id), "checkpoint = 3: " + made.path().string() +
                                                    " has checkpoints of the steps 2, 4; 0 takes the initial weights");
  CHECK_THROWS_AS(run.load_checkpoint(2, "0123456789"), DataError);
  const RunDirectory none(made.path() / "none");
  CHECK_THROWS_WITH(none.read_config(), Catch::Contains("not a run directory: it has no config.toml"));
  CHECK(none.checkpoint_steps().empty());
}
