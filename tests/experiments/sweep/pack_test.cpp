// SPDX-License-Identifier: Apache-2.0
// Packing and unpacking runs of a planted sweep: the same bytes come back, every reader finds what it found, and nothing is
// removed that is not whole elsewhere.
#include "experiments/sweep/pack.h"

#include <sys/stat.h>

#include <map>

#include "experiments/index/sweep_index.h"
#include "experiments/status/verify.h"
#include "metrics/files/packed_runs.h"
#include "precision/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/planted_sweep.h"

using namespace precipice;
using namespace precipice::test;

namespace {

namespace fs = std::filesystem;

std::map<std::string, std::string> files_below(const fs::path& directory) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(directory))
    files[entry.path().lexically_relative(directory).string()] = entry.is_regular_file() ? text_of(entry.path()) : "/";
  return files;
}

// Two formats by six seeds, of which the last of each was never begun.
struct Planted {
  Planted() {
    std::mt19937_64 random(11);
    write_planted_sweep(place.path(), {"precision.recipe=bf16,fp8", "seed=range(0,6)", "train.steps=30"},
                        [&](const SweepRun& run, std::size_t) {
                          return run.config.seed == 5 ? Invented{}
                                                      : quiet_run(random, 30, run.config.seed == 0 ? 12 : -1);
                        });
    const SweepRecord record = read_record(place.path()).value();
    for (const RecordedRun& run : record.runs) ids.push_back(run.id);
    write_text(place / ids[0] / "log.txt", "said\n");
    fs::create_directories(place / ids[0] / "ckpt" / "empty");
    write_text(place / ids[0] / "ckpt" / "step_00000013.ckpt", std::string(100'000, '\7'));
  }
  std::string index() const {
    const SweepData data = read_sweep_data(place.path());
    return build_index(data, sweep_statistics(data));
  }
  TemporaryDirectory place;
  std::vector<std::string> ids;
};

}  // namespace

TEST_CASE("a packed sweep is read as it was, and unpacked it is what it was, byte for byte") {
  const Planted sweep;
  const auto before = files_below(sweep.place.path());
  const std::string index = sweep.index();
  const std::string status = to_json(make_report(sweep.place.path()), 100);

  const PackResult packed = pack_runs(sweep.place.path(), sweep.ids, "host");
  CHECK(packed.runs == 10);
  CHECK(packed.stayed.empty());
  CHECK(packed.bundle == sweep.place / "packed" / "host.zip");
  CHECK(contains(pack_line(packed), "packed 10 runs, 32 files"));
  const auto left = files_below(sweep.place.path());
  CHECK(left.size() == 3);  // sweep.toml, packed/ and the bundle
  CHECK(to_json(make_report(sweep.place.path()), 100) == status);
  CHECK(sweep.index() == index);
  CHECK(pack_runs(sweep.place.path(), sweep.ids, "host").runs == 0);
  CHECK(files_below(sweep.place.path()) == left);

  CHECK(unpack_runs(sweep.place.path()).runs == 10);
  auto after = files_below(sweep.place.path());
  CHECK(after.erase("packed") == 1);
  CHECK(after == before);
}

TEST_CASE("verify looks at packed runs, and at the bundle's own checksums") {
  const Planted sweep;
  write_text(sweep.place / sweep.ids[1] / "notes.txt", "of the user's");
  pack_runs(sweep.place.path(), sweep.ids, "host");
  const fs::path path = sweep.place / "packed" / "host.zip";
  const auto last = [&](std::size_t run) {
    return check_run_files(sweep.place / sweep.ids[run], sweep.ids[run]).back();
  };
  CHECK(last(1).ok);
  CHECK(last(1).message == "has the 4 files that were packed");
  std::string bytes = text_of(path);
  bytes[bytes.find("of the user's")] = 'O';
  write_text(path, bytes);
  CHECK_FALSE(last(1).ok);
  CHECK(contains(last(1).message, sweep.ids[1] + "/notes.txt: damaged"));
  CHECK(last(2).ok);
  CHECK_THROWS_WITH(unpack_runs(sweep.place.path()), Catch::Contains("notes.txt: damaged"));
  CHECK(fs::exists(path));
}

TEST_CASE("what has not ended, is held, or is more than files and folders stays in its directory") {
  const Planted sweep;
  RunStatus status = read_status(sweep.place / sweep.ids[1] / "status.json").value();
  status.state = RunState::Failed;
  write_status(sweep.place / sweep.ids[1], status);
  REQUIRE(::mkfifo((sweep.place / sweep.ids[2] / "pipe").c_str(), 0600) == 0);
  fs::create_symlink("config.toml", sweep.place / sweep.ids[3] / "link");
  const Directory held(sweep.place / sweep.ids[4]);
  REQUIRE(held.try_lock());
  const PackResult packed = pack_runs(sweep.place.path(), sweep.ids, "host");
  CHECK(packed.runs == 6);
  REQUIRE(packed.stayed.size() == 3);
  CHECK(contains(packed.stayed[0], "pipe is neither a file nor a folder"));
  CHECK(contains(packed.stayed[1], "link is neither a file nor a folder"));
  CHECK(contains(packed.stayed[2], "another process holds it"));
  for (int run : {1, 2, 3, 4}) CHECK(fs::exists(sweep.place / sweep.ids[static_cast<std::size_t>(run)] / "run.h5"));
}

TEST_CASE("a kill between the bundle and the removal of directories loses nothing and is mended by the next packing") {
  const Planted sweep;
  const auto before = files_below(sweep.place.path());
  const TemporaryDirectory copy;
  fs::copy(sweep.place.path(), copy / "sweep", fs::copy_options::recursive);
  pack_runs(copy / "sweep", sweep.ids, "host");
  // The bundle is there, and so are the directories; one is half removed.
  fs::copy(copy / "sweep" / "packed", sweep.place / "packed", fs::copy_options::recursive);
  fs::rename(sweep.place / sweep.ids[2], sweep.place / ("." + sweep.ids[2] + ".999999999.0.tmp"));
  CHECK(make_report(sweep.place.path()).runs[2].status.state == RunState::Done);
  CHECK(pack_runs(sweep.place.path(), sweep.ids, "host").runs == 9);
  CHECK(files_below(sweep.place.path()).size() == 3);
  CHECK(unpack_runs(sweep.place.path()).runs == 10);
  auto after = files_below(sweep.place.path());
  after.erase("packed");
  CHECK(after == before);
}

TEST_CASE("a bundle that is cut short is one error for status and merge, and its whole runs can be taken out") {
  const Planted sweep;
  pack_runs(sweep.place.path(), sweep.ids, "host");
  const fs::path path = sweep.place / "packed" / "host.zip";
  fs::resize_file(path, fs::file_size(path) / 2);
  for (const auto& look :
       {+[](const fs::path& place) { make_report(place); }, +[](const fs::path& place) { read_sweep_data(place); }})
    CHECK_THROWS_WITH(look(sweep.place.path()),
                      Catch::Contains(path.string()) && Catch::Contains(" runs in it are whole, not "));
  const UnpackResult taken = unpack_runs(sweep.place.path());
  CHECK(taken.runs > 0);
  CHECK(taken.runs < 10);
  REQUIRE(taken.kept.size() == 1);
  CHECK(contains(taken.kept[0], "its whole runs were taken out"));
  fs::remove(path);
  std::size_t done = 0;
  for (const ReportedRun& run : make_report(sweep.place.path()).runs) done += is_finished(run.status.state);
  CHECK(done == taken.runs);
}

TEST_CASE("a sweep that packs as it goes writes few files, and the list of its runs not once for each") {
  const Planted sweep;
  PackAsTheyEnd packing(sweep.place.path(), "host");
  for (const std::string& id : sweep.ids) CHECK(packing.add(id).runs == 0);  // fewer than kLeast
  CHECK_FALSE(fs::exists(sweep.place / "packed"));
  for (std::size_t i = sweep.ids.size(); i + 1 < PackAsTheyEnd::kLeast; ++i) packing.add("ffffffffff");
  CHECK(packing.add("eeeeeeeeee").runs == 10);
}
