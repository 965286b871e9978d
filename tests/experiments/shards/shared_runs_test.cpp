// SPDX-License-Identifier: Apache-2.0
// What a sweep among others does with its claims: it takes, renews and loses them, and says what it finds.
#include "experiments/shards/shared_runs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <csignal>
#include <ctime>
#include <thread>

#include "metrics/files/files.h"
#include "precision/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "train/run/provenance.h"

using namespace precipice;
namespace fs = std::filesystem;
using std::chrono::milliseconds;
using Taking = SharedRuns::Taking;

namespace {

constexpr ClaimTimes kShort{milliseconds(10), milliseconds(60), milliseconds(400)};
constexpr auto kSilent = [](const std::string&) {};

// The file of another process, which is alive as far as anybody can tell.
void put_shard(const fs::path& sweep, ShardFile file) {
  if (file.process.host.empty()) file.process = this_process();
  make_directories(sweep / kShardsFolder);
  write_text(sweep / kShardsFolder / "0.shard", encode_shard(file));
}

std::string this_program() {
  return program_version() + std::string(" (") + program_commit() + ")";
}

}  // namespace

TEST_CASE("shards share out the runs, and what one gives back or finishes the other may take", "[shards]") {
  TemporaryDirectory dir;
  SharedRuns one(dir.path(), ShardIndex{0, 2}, kSilent, kShort), two(dir.path(), ShardIndex{1, 2}, kSilent, kShort);
  CHECK(one.take("aaaaaaaaaa") == Taking::Taken);
  CHECK(one.take("aaaaaaaaaa") == Taking::Taken);  // it has it
  CHECK(two.take("aaaaaaaaaa") == Taking::Held);
  CHECK(contains(two.holder_text("aaaaaaaaaa"), "shard 0/2 (process "));
  one.give_back("aaaaaaaaaa");
  std::this_thread::sleep_for(kShort.listing);
  CHECK(two.take("aaaaaaaaaa") == Taking::Taken);
  two.finish("aaaaaaaaaa");
  CHECK_FALSE(fs::exists(dir / "shards/aaaaaaaaaa.2.claim"));
}

TEST_CASE("the claim of a holder killed after its run's end goes with the run, a living one's stays", "[shards]") {
  TemporaryDirectory dir;
  ProcessIdentity killed = this_process();
  killed.started += 1;  // a process of this number that is another
  ClaimBoard gone(dir.path(), "shard 1/2", kShort, killed), alive(dir.path(), "shard 2/3", kShort);
  REQUIRE(gone.take("aaaaaaaaaa"));
  REQUIRE(alive.take("bbbbbbbbbb"));
  SharedRuns one(dir.path(), ShardIndex{0, 2}, kSilent, kShort);
  one.finish("aaaaaaaaaa");
  one.finish("bbbbbbbbbb");
  CHECK_FALSE(fs::exists(dir / "shards/aaaaaaaaaa.0.claim"));
  CHECK_FALSE(fs::exists(dir / "shards/aaaaaaaaaa.1.claim"));
  CHECK(fs::exists(dir / "shards/bbbbbbbbbb.0.claim"));
}

TEST_CASE("the guard of a run throws once another shard has it, and its holder knows what it has lost", "[shards]") {
  TemporaryDirectory dir;
  const std::string run = "aaaaaaaaaa";
  SharedRuns sleeper(dir.path(), ShardIndex{0, 2}, kSilent, kShort);
  REQUIRE(sleeper.take(run) == Taking::Taken);
  const auto guard = sleeper.guard(run);
  guard();
  fs::create_directory(dir / run);
  write_text(dir / run / "status.json", "{}");
  const Directory held(dir / run);
  SharedRuns other(dir.path(), ShardIndex{1, 2}, kSilent, kShort);
  Taking taking = Taking::Held;
  for (int i = 0; i < 2000 && taking == Taking::Held; ++i, usleep(5'000)) taking = other.take(run);
  CHECK(taking == Taking::Retaken);
  CHECK(sleeper.is_lost(run));
  CHECK_FALSE(other.is_lost(run));
  CHECK_THROWS_AS(held.check(), OutputError);  // the run's directory is another one now
  // It asks no more than once a second; meanwhile the other one is awake.
  for (const auto begin = std::chrono::steady_clock::now();
       std::chrono::steady_clock::now() - begin < milliseconds(1000); std::this_thread::sleep_for(kShort.renew))
    other.renew();
  CHECK_THROWS_WITH(guard(), Catch::Contains("another process has taken the run over"));
  CHECK(sleeper.take(run) == Taking::Held);
  CHECK_FALSE(sleeper.is_lost(run));
  CHECK(other.take(run) == Taking::Taken);
}

TEST_CASE("a shard that renews keeps its runs, and says what it is doing", "[shards]") {
  TemporaryDirectory dir;
  SharedRuns one(dir.path(), ShardIndex{0, 2}, kSilent, kShort);
  REQUIRE(one.take("aaaaaaaaaa") == Taking::Taken);
  one.own_file().running = {"aaaaaaaaaa"};
  SharedRuns two(dir.path(), ShardIndex{1, 2}, kSilent, kShort);
  for (const auto begin = std::chrono::steady_clock::now(); std::chrono::steady_clock::now() - begin < 2 * kShort.stale;
       std::this_thread::sleep_for(kShort.renew)) {
    one.renew();
    REQUIRE(two.take("aaaaaaaaaa") == Taking::Held);
  }
  ClaimBoard board(dir.path(), "reader");
  const auto shards = read_shards(board);
  REQUIRE(shards.size() == 2);
  CHECK(shards[0].file.name == "shard 0/2");
  CHECK(shards[0].file.running == std::vector<std::string>{"aaaaaaaaaa"});
  CHECK(shards[0].state == ShardState::Working);
  CHECK(std::abs(shards[0].clock_offset) < 3);
}

TEST_CASE("what ends leaves no file of its own and gives its runs back", "[shards]") {
  TemporaryDirectory dir;
  { CHECK(SharedRuns(dir.path(), ShardIndex{0, 1}, kSilent).take("aaaaaaaaaa") == Taking::Taken); }
  ClaimBoard board(dir.path(), "reader");
  CHECK(read_shards(board).empty());
  CHECK(board.look("aaaaaaaaaa").state == ClaimState::Free);
}

TEST_CASE("a clock that is an hour off and a second process of one index are said", "[shards]") {
  TemporaryDirectory dir;
  ShardFile file;
  file.name = "shard 3/8";
  file.program = this_program();
  file.written = std::time(nullptr) + 3600;
  file.process = this_process();
  put_shard(dir.path(), file);
  std::string said;
  const SharedRuns shared(dir.path(), ShardIndex{3, 8}, [&said](const std::string& text) { said += text + "\n"; });
  CHECK(contains(said, "shard 3/8 works here already: process "));
  CHECK(contains(said, "the clock of " + file.process.host));
  CHECK(contains(said, " s ahead of that of the file system, by which claims are judged"));
}

TEST_CASE("a shard of another version that works in the directory is refused, one that has ended is not", "[shards]") {
  TemporaryDirectory dir;
  ShardFile file;
  file.name = "shard 3/8";
  file.program = "0.0.1 (old)";
  put_shard(dir.path(), file);
  CHECK_THROWS_WITH(SharedRuns(dir.path(), ShardIndex{0, 8}, kSilent),
                    Catch::Contains("works here with precipice 0.0.1 (old)"));
  CHECK_NOTHROW(SharedRuns(dir.path(), std::nullopt, kSilent));  // a sweep that is no shard minds its own runs
  file.process = this_process();
  file.process.started += 1;  // gone
  put_shard(dir.path(), file);
  CHECK_NOTHROW(SharedRuns(dir.path(), ShardIndex{0, 8}, kSilent));
  CHECK_FALSE(fs::exists(dir / "shards/0.shard"));
  write_text(dir / "shards/1.shard", "{\"format\": 2}");
  CHECK_THROWS_WITH(SharedRuns(dir.path(), ShardIndex{0, 8}, kSilent), Catch::Contains("another version of precipice"));
  // Left long ago.
  const timespec old[2] = {{1'000'000'000, 0}, {1'000'000'000, 0}};
  REQUIRE(utimensat(AT_FDCWD, (dir / "shards/1.shard").c_str(), old, 0) == 0);
  CHECK_NOTHROW(SharedRuns(dir.path(), ShardIndex{0, 8}, kSilent));
}

TEST_CASE("a directory in which nothing can be made is refused to a shard in one sentence, a plain sweep goes on",
          "[shards]") {
  TemporaryDirectory dir;
  write_text(dir / "shards", "a file where the folder should be");
  CHECK_THROWS_AS(SharedRuns(dir.path(), ShardIndex{0, 1}, kSilent), ConfigError);
  CHECK_THROWS_WITH(SharedRuns(dir.path(), ShardIndex{0, 1}, kSilent),
                    Catch::Contains("shards need a file system with hard links and renames"));
  SharedRuns plain(dir.path(), std::nullopt, kSilent);
  CHECK(plain.take("aaaaaaaaaa") == Taking::Taken);
  CHECK_FALSE(plain.guard("aaaaaaaaaa"));
  plain.give_back("aaaaaaaaaa");
}

TEST_CASE("the record of a sweep is changed by one process at a time", "[shards]") {
  TemporaryDirectory dir;
  constexpr int kThreads = 4;
  std::vector<std::unique_ptr<SharedRuns>> all;
  for (int t = 0; t < kThreads; ++t)
    all.push_back(std::make_unique<SharedRuns>(dir.path(), ShardIndex{t, kThreads}, kSilent));
  std::vector<std::thread> threads;
  std::atomic<int> inside{0}, most{0}, done{0};
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      all[static_cast<std::size_t>(t)]->with_record([&] {
        most = std::max<int>(most, ++inside);
        usleep(20'000);
        --inside;
        ++done;
      });
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(done == kThreads);
  CHECK(most == 1);
}
