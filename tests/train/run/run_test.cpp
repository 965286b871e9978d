// SPDX-License-Identifier: Apache-2.0
// A run whose directory is moved, deleted, replaced or emptied while it trains, and what a resumed run says of itself.
#include "train/run/run.h"

#include <cmath>
#include <map>

#include "metrics/files/files.h"
#include "metrics/log/journal.h"
#include "metrics/log/run_file.h"
#include "precision/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/tiny_run.h"
#include "train/run/checkpoint.h"
#include "train/run/trainer.h"

namespace precipice {
namespace {

namespace fs = std::filesystem;

std::map<std::string, std::string> files_in(const fs::path& directory) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(directory))
    if (entry.is_regular_file()) files[fs::relative(entry.path(), directory)] = text_of(entry.path());
  return files;
}

// Trains in `directory`, and calls `meanwhile` after `step` steps.
RunStatus train(const RunConfig& config, const fs::path& directory, std::int64_t step = -1,
                const std::function<void()>& meanwhile = nullptr) {
  RunRequest request{config, directory, "test", nullptr, {}};
  request.progress = [&](const RunProgress& progress) {
    if (progress.step == step) meanwhile();
  };
  return execute_run(request);
}

std::string metrics_of(const fs::path& run) {
  std::string losses;
  for (const SeriesRow& row : read_journal(run / kJournalFileName).series.rows)
    if (row.group == kMetricsGroup) losses += std::to_string(row.values[0]) + "\n";
  return losses;
}

// After 15 steps everything of this run but its end is there, in `directory`.
void train_15_steps_and_stop(const RunConfig& config, const fs::path& directory) {
  std::atomic<bool> stop{false};
  RunRequest request{config, directory, "test", &stop, {}};
  request.progress = [&](const RunProgress& progress) { stop = progress.step == 15; };
  REQUIRE(execute_run(request).state == RunState::Interrupted);
}

}  // namespace

TEST_CASE("a run whose directory is moved ends there, and what another run made in its place stays that run's",
          "[run]") {
  const TemporaryDirectory place;
  const fs::path run = place / "run", moved = place / "moved";
  const RunConfig first = test::tiny_config(), second = test::tiny_config({"seed=1"});
  std::map<std::string, std::string> others;
  CHECK_THROWS_WITH(train(first, run, 7,
                          [&] {
                            fs::rename(run, moved);
                            train(second, run);
                            others = files_in(run);
                          }),
                    Catch::Contains("the directory was moved, and another one is in its place"));
  CHECK(files_in(run) == others);
  CHECK(read_status(run / kStatusFileName)->run_id == run_id(second));
  const JournalContents journal = read_journal(moved / kJournalFileName);
  CHECK(journal.identity == run_id(first));
  CHECK(read_status(moved / kStatusFileName)->state == RunState::Running);

  // The moved directory is whole: it resumes to what an undisturbed run gives.
  CHECK(train(first, moved).state == RunState::Untrained);
  train(first, place / "undisturbed");
  CHECK(text_of(moved / kRunFileName) == text_of(place / "undisturbed/run.h5"));
}

TEST_CASE("a run whose directory is deleted ends, and makes no new one", "[run]") {
  const TemporaryDirectory place;
  const std::int64_t step = GENERATE(3, 20);  // 20: nothing is left but the end
  CHECK_THROWS_AS(train(test::tiny_config(), place / "run", step, [&] { fs::remove_all(place / "run"); }), OutputError);
  CHECK(fs::is_empty(place.path()));
}

TEST_CASE("a run whose journal is deleted or replaced says so instead of losing rows", "[run]") {
  const TemporaryDirectory place;
  const bool replaced = GENERATE(false, true);
  CHECK_THROWS_WITH(train(test::tiny_config(), place / "run", 5,
                          [&] {
                            fs::remove(place / "run/metrics.jnl");
                            if (replaced) write_text(place / "run/metrics.jnl", "another");
                          }),
                    Catch::Contains("metrics.jnl: cannot write: it was deleted while the run was going on"));
}

TEST_CASE("run.h5 is there before the first step is done, with every group", "[run]") {
  const TemporaryDirectory place;
  bool there = false;
  train(test::tiny_config(), place / "run", 1, [&] {
    const auto status = read_status(place / "run/status.json");
    there = status && status->run_file_sha256 == sha256_hex(text_of(place / "run/run.h5"));
    RunSeries no_rows;
    no_rows.groups = read_journal(place / "run/metrics.jnl").series.groups;
    check_run_file(place / "run/run.h5", no_rows);
  });
  CHECK(there);
}

TEST_CASE("a run killed after its last checkpoint resumes to the status of an undisturbed one", "[run]") {
  const TemporaryDirectory place;
  const auto [setting, state] = GENERATE(
      table<std::string, RunState>({{"seed=0", RunState::Untrained}, {"optimizer.lr=1e30", RunState::Diverged}}));
  const RunConfig config = test::tiny_config({setting});
  const fs::path run = place / "run";
  const RunStatus whole = train(config, run);
  REQUIRE(whole.state == state);

  // The moment before the last publication: the status knows nothing of the last steps.
  RunStatus old;
  old.run_id = run_id(config);
  old.state = RunState::Running;
  old.steps = config.train.steps;
  old.step = 2;
  old.final_loss = 123;
  old.divergence_step = 1;
  write_status(run, old);
  fs::remove(run / kRunFileName);
  const RunStatus resumed = train(config, run);
  for (const RunStatus& status : {resumed, *read_status(run / kStatusFileName)}) {
    CHECK(status.state == state);
    CHECK(status.step == whole.step);
    CHECK(status.reason == whole.reason);
    CHECK(status.divergence_step == whole.divergence_step);
    CHECK((status.final_loss == whole.final_loss || (std::isnan(status.final_loss) && std::isnan(whole.final_loss))));
  }
}

TEST_CASE("another run's status is not believed: the run goes on", "[run]") {
  const TemporaryDirectory place;
  const RunConfig config = test::tiny_config(), other = test::tiny_config({"seed=1"});
  train(other, place / "other");
  train(config, place / "whole");
  train_15_steps_and_stop(config, place / "run");
  const bool with_results = GENERATE(false, true);
  for (const char* name : {"status.json", "run.h5"})
    if (with_results || std::string(name) == "status.json")
      fs::copy_file(place.path() / "other" / name, place.path() / "run" / name, fs::copy_options::overwrite_existing);
  if (GENERATE(false, true)) {  // as versions wrote it that named no run
    std::string status = text_of(place / "run/status.json");
    const std::size_t line = status.find("  \"run_id\"");
    status.erase(line, status.find('\n', line) - line + 1);
    write_text(place / "run/status.json", status);
    REQUIRE(read_status(place / "run/status.json")->run_id.empty());
  }
  CHECK(train(config, place / "run").state == RunState::Untrained);
  CHECK(text_of(place / "run/run.h5") == text_of(place / "whole/run.h5"));
  CHECK(read_status(place / "run/status.json")->run_id == run_id(config));
  CHECK(contains(text_of(place / "run/log.txt"), "status.json was not believed: "));
  CHECK(contains(text_of(place / "run/log.txt"), "resumed at step 15"));
}

TEST_CASE("results that are not those of the status are made again from the last checkpoint, or refused without one",
          "[run]") {
  const TemporaryDirectory place;
  const RunConfig config = test::tiny_config();
  const fs::path run = place / "run";
  train(config, run);
  const std::string results = text_of(run / kRunFileName), losses = metrics_of(run);
  write_text(run / kRunFileName, "damaged");
  CHECK(train(config, run).state == RunState::Untrained);
  CHECK(text_of(run / kRunFileName) == results);
  CHECK(metrics_of(run) == losses);

  fs::remove(run / kRunFileName);
  fs::remove_all(run / kCheckpointFolder);
  const auto before = files_in(run);
  CHECK_THROWS_WITH(train(config, run), Catch::Contains("run.h5 is missing, and no checkpoint is left"));
  CHECK(files_in(run) == before);
}

TEST_CASE("a finished run of a version that named no run in its status is left alone", "[run]") {
  const TemporaryDirectory place;
  const RunConfig config = test::tiny_config();
  train(config, place / "run");
  RunStatus status = *read_status(place / "run/status.json");
  status.run_id.clear();
  write_status(place / "run", status);
  const auto before = files_in(place / "run");
  CHECK(train(config, place / "run").state == RunState::Untrained);
  CHECK(files_in(place / "run") == before);
}

TEST_CASE("links in a run's directory are not written through", "[run]") {
  const TemporaryDirectory place;
  fs::create_directory(place / "run");
  write_text(place / "elsewhere", "mine");
  const std::string name = GENERATE("log.txt", "metrics.jnl", "run.h5", "status.json", "ckpt");
  CAPTURE(name);
  if (name == "ckpt") fs::create_directory(place / "far");
  write_text(place / "run/config.toml", to_toml(test::tiny_config()));
  fs::create_symlink(place / (name == "ckpt" ? "far" : "elsewhere"), place.path() / "run" / name);
  if (name == "run.h5") {
    CHECK(train(test::tiny_config(), place / "run").state == RunState::Untrained);
  } else {
    CHECK_THROWS_AS(train(test::tiny_config(), place / "run"), Error);
  }
  CHECK(text_of(place / "elsewhere") == "mine");
  CHECK((!fs::exists(place / "far") || fs::is_empty(place / "far")));
}

}  // namespace precipice
