// SPDX-License-Identifier: Apache-2.0
// A former holder that wakes up writes nothing into the run of its successor, and a kill at any moment of the change of
// directories loses nothing.
#include "experiments/shards/moved_run.h"

#include <map>

#include "metrics/files/run_files.h"
#include "metrics/log/journal.h"
#include "metrics/log/status_file.h"
#include "precision/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

using namespace precipice;
namespace fs = std::filesystem;

namespace {

const std::string kRun = "0123456789";
const std::vector<SeriesGroup> kGroups{{"metrics", {{"train_loss", "nats", "loss"}}, {}}};

struct SharedSweep {
  SharedSweep() {
    fs::create_directories(dir / kRun / kCheckpointFolder);
    fs::create_directory(dir / "shards");
    for (const char* name : {kConfigFileName, kStatusFileName, kRunFileName, kLogFileName})
      write_text(run() / name, std::string("first ") + name);
    write_text(run() / kCheckpointFolder / "step_00000002.ckpt", "weights");
    auto journal = JournalWriter::create(Directory(run()), kJournalFileName, kRun, kGroups);
    for (std::int64_t step = 0; step < 3; ++step) journal.append(step, std::vector<SeriesRow>{{0, step, {1}}});
  }
  fs::path run() const { return dir / kRun; }
  std::map<std::string, std::string> files() const {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(run()))
      if (entry.is_regular_file()) files[fs::relative(entry.path(), run()).string()] = text_of(entry.path());
    return files;
  }
  void renew(const std::function<bool()>& is_ours = [] { return true; }) const {
    renew_run_directory(Directory(dir.path()), Directory(dir / "shards"), kRun, 3, is_ours);
  }
  void put_back() const { put_back_run(Directory(dir.path()), Directory(dir / "shards"), kRun); }
  std::size_t left() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(dir / "shards"), {}));
  }

  TemporaryDirectory dir;
};

}  // namespace

TEST_CASE("a renewed directory has the same files, and what its former process writes does not get there", "[shards]") {
  const SharedSweep sweep;
  const auto before = sweep.files();
  // The former process: everything that a run holds open.
  const Directory sleeper(sweep.run());
  const Directory checkpoints = sleeper.folder(kCheckpointFolder);
  REQUIRE(sleeper.try_lock());
  RunSeries rows;
  JournalWriter journal = JournalWriter::resume(sleeper, kJournalFileName, kRun, kGroups, 2, rows);
  const FileDescriptor log = sleeper.open_log(kLogFileName);

  sweep.renew();
  CHECK(sweep.files() == before);
  CHECK(sweep.left() == 0);
  CHECK(Directory(sweep.run()).try_lock());  // that the sleeper holds the old one's lock hinders nobody

  // In the middle of a write, past every check: these are the calls below them.
  CHECK(write(log.get(), "late\n", 5) == 5);
  CHECK_THROWS_AS(journal.append(3, std::vector<SeriesRow>{{0, 3, {1}}}), OutputError);  // deleted
  CHECK_THROWS_AS(sleeper.check(), OutputError);
  CHECK_THROWS_AS(sleeper.write_atomic(kStatusFileName, "late"), OutputError);
  CHECK_THROWS_AS(checkpoints.write_atomic("step_00000003.ckpt", "late"), OutputError);
  checkpoints.remove("step_00000002.ckpt");
  sleeper.remove(kRunFileName);
  CHECK(sweep.files() == before);
}

TEST_CASE("a successor that is killed between any two steps loses nothing", "[shards]") {
  const SharedSweep sweep;
  const auto before = sweep.files();
  const fs::path fresh = sweep.dir / "shards" / (kRun + ".3.new"), old = sweep.dir / "shards" / (kRun + ".3.old");
  SECTION("while it makes the new directory") {
    fs::create_directory(fresh);
    write_text(fresh / kConfigFileName, "half");
  }
  SECTION("after it has moved the old one away") {
    fs::copy(sweep.run(), fresh, fs::copy_options::recursive);
    fs::rename(sweep.run(), old);
  }
  SECTION("after the new one is in its place") {
    fs::copy(sweep.run(), old, fs::copy_options::recursive);
  }
  SECTION("before or after all of it") {}
  sweep.put_back();
  CHECK(sweep.files() == before);
  CHECK(sweep.left() == 0);
  sweep.renew();
  CHECK(sweep.files() == before);
  CHECK(sweep.left() == 0);
}

TEST_CASE("a successor that has lost its claim meanwhile leaves or puts back what is there", "[shards]") {
  const SharedSweep sweep;
  const auto before = sweep.files();
  const auto inode = [&] { return Directory(sweep.dir.path()).stamp(kRun)->inode; };
  const auto there = inode();
  int asked = 0;
  const int until = GENERATE(0, 1);  // found out before the old directory is moved, or after the new one is there
  CHECK_THROWS_AS(sweep.renew([&] { return asked++ < until; }), OutputError);
  CHECK(sweep.files() == before);
  CHECK(inode() == there);
  CHECK(sweep.left() == 0);
}

TEST_CASE("a run without a directory needs none", "[shards]") {
  const SharedSweep sweep;
  fs::remove_all(sweep.run());
  sweep.renew();
  sweep.put_back();
  CHECK_FALSE(fs::exists(sweep.run()));
  CHECK(sweep.left() == 0);
}
