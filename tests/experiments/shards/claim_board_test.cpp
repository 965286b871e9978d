// SPDX-License-Identifier: Apache-2.0
// Claims on the runs of a shared directory: exactly one process has a run, whatever races, sleeps and dies. The oracle of
// "exactly one" is mkdir(2): inside a claim a folder of the run's name can be made, and is removed before it is given back.
#include "experiments/shards/claim_board.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <memory>
#include <random>
#include <thread>

#include "tests/support/catch.h"
#include "tests/support/files.h"

using namespace precipice;
namespace fs = std::filesystem;
using std::chrono::milliseconds;

namespace {

// Short enough for a test, and far apart: what must not be stale has a fiftieth of the time that stale takes.
constexpr ClaimTimes kQuick{milliseconds(10), milliseconds(60), milliseconds(500)};

ProcessIdentity process_elsewhere() {
  ProcessIdentity process = this_process();
  process.host = "node7";
  return process;
}

// Of a process that has ended.
ProcessIdentity process_gone() {
  ProcessIdentity process = this_process();
  const pid_t child = fork();
  if (child == 0) _exit(0);
  process.pid = child;
  process.started = 1;
  waitpid(child, nullptr, 0);
  return process;
}

std::string claim_file(const ClaimBoard& board, const std::string& run, int number) {
  return (board.folder().path() / (run + "." + std::to_string(number) + ".claim")).string();
}

// Seconds since 1970 by this host's clock, which on the file system of a test is the file system's.
double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

void set_mtime(const std::string& path, double seconds) {
  timespec times[2];
  for (timespec& time : times) {
    time.tv_sec = static_cast<time_t>(seconds);
    time.tv_nsec = static_cast<long>(1e9 * (seconds - static_cast<double>(time.tv_sec)));
  }
  REQUIRE(utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
}

std::size_t count_claims(const ClaimBoard& board) {
  std::size_t count = 0;
  for (const std::string& name : board.folder().names()) count += name.ends_with(".claim");
  return count;
}

}  // namespace

TEST_CASE("of many threads that want a run, exactly one gets it", "[shards]") {
  TemporaryDirectory dir;
  constexpr int kThreads = 16, kRuns = 60;
  std::atomic<int> waiting{kThreads};
  std::vector<std::map<std::string, RunClaim>> held(kThreads);
  std::vector<std::unique_ptr<ClaimBoard>> boards;
  for (int t = 0; t < kThreads; ++t) boards.push_back(std::make_unique<ClaimBoard>(dir.path(), std::to_string(t)));
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      const auto at = static_cast<std::size_t>(t);
      --waiting;
      while (waiting > 0) std::this_thread::yield();
      for (int run = 0; run < kRuns; ++run)
        if (auto claim = boards[at]->take("r" + std::to_string(run))) held[at].emplace(claim->id(), std::move(*claim));
    });
  for (std::thread& thread : threads) thread.join();
  std::map<std::string, int> holders;
  for (const auto& claims : held)
    for (const auto& [id, claim] : claims) {
      ++holders[id];
      CHECK(claim.is_ours());
    }
  CHECK(holders.size() == kRuns);
  for (const auto& [id, count] : holders) CHECK(count == 1);
  CHECK(count_claims(*boards[0]) == kRuns);
}

TEST_CASE("processes that take, give back and finish runs are never two in one run", "[shards]") {
  TemporaryDirectory dir;
  constexpr int kProcesses = 5, kRuns = 2, kRounds = 12;
  fs::create_directory(dir / "inside");
  fs::create_directory(dir / "finished");
  const auto is_finished = [&](const std::string& run) { return fs::exists(dir / "finished" / run); };
  std::vector<pid_t> children;
  for (int p = 0; p < kProcesses; ++p) {
    const pid_t child = fork();
    if (child == 0) {
      std::mt19937 random(static_cast<unsigned>(p));
      ClaimBoard board(dir.path(), std::to_string(p));
      int taken = 0, first = 0;  // the first run that is not finished
      for (int round = 0; taken < kRounds && round < 1000 * kRounds; ++round) {
        while (is_finished("r" + std::to_string(first))) ++first;
        const std::string run = "r" + std::to_string(first + static_cast<int>(random() % kRuns));
        board.look(run, true);
        auto claim = board.take(run);
        if (!claim) continue;
        // After a finish the numbers begin anew, and two may win: every winner looks at the run first (claim_board.h, d).
        if (is_finished(run)) {
          claim->finish();
          continue;
        }
        ++taken;
        const std::string inside = (dir / "inside" / run).string();
        if (mkdir(inside.c_str(), 0777) != 0) _exit(1);
        if (random() % 4 == 0) usleep(200);
        if (!claim->is_ours()) _exit(2);
        if (rmdir(inside.c_str()) != 0) _exit(3);
        if (random() % 8 != 0) {
          claim->give_back(board);
          continue;
        }
        std::ofstream(dir / "finished" / run).flush();
        claim->finish();
      }
      _exit(taken == kRounds ? 0 : 4);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
  }
}

TEST_CASE("of many processes that take over the run of a holder that is gone, exactly one gets it", "[shards]") {
  TemporaryDirectory dir;
  constexpr int kProcesses = 8, kRuns = 20;
  const ProcessIdentity gone = process_gone();
  {
    ClaimBoard board(dir.path(), "gone", {}, gone);
    for (int run = 0; run < kRuns; ++run) REQUIRE(board.take("r" + std::to_string(run)));
  }
  int ends[2], over[2];
  REQUIRE(pipe(ends) == 0);
  REQUIRE(pipe(over) == 0);
  std::vector<pid_t> children;
  for (int p = 0; p < kProcesses; ++p) {
    const pid_t child = fork();
    if (child == 0) {
      ClaimBoard board(dir.path(), std::to_string(p));
      std::vector<RunClaim> kept;
      for (int run = 0; run < kRuns; ++run)
        if (auto claim = board.take("r" + std::to_string(run))) {
          const char won = static_cast<char>(run);
          if (claim->before().state != ClaimState::Gone || write(ends[1], &won, 1) != 1) _exit(1);
          kept.push_back(std::move(*claim));
        }
      const char tried = kRuns;
      if (write(ends[1], &tried, 1) != 1) _exit(1);
      close(over[1]);
      char end = 0;
      _exit(read(over[0], &end, 1) == 0 ? 0 : 1);  // a holder that is there, until all have tried
    }
    children.push_back(child);
  }
  close(ends[1]);
  std::map<int, int> winners;
  int tried = 0;
  char won = 0;
  while (tried < kProcesses && read(ends[0], &won, 1) == 1) won == kRuns ? ++tried : ++winners[won];
  close(ends[0]);
  close(over[0]);
  close(over[1]);
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(status == 0);
  }
  CHECK(winners.size() == kRuns);
  for (const auto& [run, count] : winners) CHECK(count == 1);
}

TEST_CASE("who looked long ago loses to those who took the run and gave it back since", "[shards]") {
  TemporaryDirectory dir;
  ClaimTimes long_ago;
  long_ago.listing = std::chrono::hours(1);
  ClaimBoard sleeper(dir.path(), "sleeper", long_ago), quick(dir.path(), "quick"), last(dir.path(), "last");
  SECTION("of a run that nobody had") {
    CHECK(sleeper.look("r").number == -1);
  }
  SECTION("of a run that was given back") {
    quick.take("r")->give_back(quick);
    CHECK(sleeper.look("r", true).number == 1);
  }
  const int seen = static_cast<int>(sleeper.look("r").number);
  // The sleeper's folder is as it was; its next number is made and removed by the others meanwhile.
  quick.look("r", true);
  auto one = quick.take("r");
  REQUIRE(one);
  one->give_back(quick);
  last.look("r", true);
  auto two = last.take("r");
  REQUIRE(two);
  REQUIRE_FALSE(fs::exists(claim_file(last, "r", seen + 1)));
  CHECK_FALSE(sleeper.take("r"));
  CHECK(sleeper.lost_races() == (seen < 0 ? 1u : 0u));  // what it saw given back is gone, so it looks anew
  CHECK(two->is_ours());
  CHECK_FALSE(fs::exists(claim_file(last, "r", seen + 1)));
}

TEST_CASE("a claim without a heartbeat is stale after its time and no sooner, and its holder notices", "[shards]") {
  TemporaryDirectory dir;
  ClaimBoard holder(dir.path(), "holder", kQuick, process_elsewhere()), other(dir.path(), "other", kQuick);
  auto claim = holder.take("r");
  REQUIRE(claim);
  const auto begin = std::chrono::steady_clock::now();
  CHECK(other.look("r", true).state == ClaimState::Held);
  CHECK_FALSE(other.take("r"));
  std::optional<RunClaim> taken;
  while (!taken && std::chrono::steady_clock::now() - begin < std::chrono::seconds(20)) {
    std::this_thread::sleep_for(milliseconds(5));
    taken = other.take("r");
  }
  REQUIRE(taken);
  CHECK(std::chrono::steady_clock::now() - begin >= kQuick.stale);
  CHECK(taken->before().state == ClaimState::Stale);
  CHECK(taken->before().record.holder == "holder");
  CHECK(taken->is_ours());
  CHECK_FALSE(claim->is_ours());
  CHECK_FALSE(claim->renew());
  // Awake again, it changes nothing of the other's.
  claim->give_back(holder);
  claim->finish();
  CHECK(taken->is_ours());
  CHECK(count_claims(other) == 1);
}

TEST_CASE("a claim that is renewed is never stale", "[shards]") {
  TemporaryDirectory dir;
  ClaimBoard holder(dir.path(), "holder", kQuick, process_elsewhere()), other(dir.path(), "other", kQuick);
  auto claim = holder.take("r");
  REQUIRE(claim);
  for (const auto begin = std::chrono::steady_clock::now(); std::chrono::steady_clock::now() - begin < 2 * kQuick.stale;
       std::this_thread::sleep_for(kQuick.renew)) {
    REQUIRE(claim->renew());
    REQUIRE(other.look("r").state == ClaimState::Held);
  }
}

TEST_CASE("clocks an hour apart do no harm: a heartbeat that moves is one, and one that does not is none", "[shards]") {
  const double offset = GENERATE(-3600.0, 3600.0);  // of the holder's clock, on a file system that takes its word
  TemporaryDirectory dir;
  ClaimBoard holder(dir.path(), "holder", kQuick, process_elsewhere()), other(dir.path(), "other", kQuick);
  auto claim = holder.take("r");
  REQUIRE(claim);
  const std::string file = claim_file(holder, "r", 0);
  const auto begin = std::chrono::steady_clock::now();
  do {
    set_mtime(file, now() + offset);
    std::this_thread::sleep_for(kQuick.renew);
    REQUIRE(other.look("r").state == ClaimState::Held);
  } while (std::chrono::steady_clock::now() - begin < 2 * kQuick.stale);
  CHECK(other.look("r").is_ahead == (offset > 0));
  CHECK(other.look("r").age == Approx(-offset).margin(2));
  SeenClaim seen;
  const auto silent = std::chrono::steady_clock::now();
  do seen = other.look("r");
  while (seen.state == ClaimState::Held && std::chrono::steady_clock::now() - silent < std::chrono::seconds(20));
  CHECK(seen.state == ClaimState::Stale);
  // Behind, it looks old enough at once, and is watched; ahead, only the watching counts.
  CHECK(std::chrono::steady_clock::now() - silent >= (offset > 0 ? kQuick.stale : kQuick.watch) - 2 * kQuick.renew);
}

TEST_CASE("a holder of this machine that is gone is known at once, one of another namespace or boot is not",
          "[shards]") {
  const ProcessIdentity self = this_process();
  CHECK(presence_of(self, self) == Presence::Alive);
  CHECK(presence_of(process_gone(), self) == Presence::Gone);
  ProcessIdentity other = self;
  other.started += 1;  // another process of the same number
  CHECK(presence_of(other, self) == Presence::Gone);
  for (std::string ProcessIdentity::*part :
       {&ProcessIdentity::host, &ProcessIdentity::boot, &ProcessIdentity::namespace_}) {
    ProcessIdentity elsewhere = process_gone();
    elsewhere.*part = "another";
    CHECK(presence_of(elsewhere, self) == Presence::Elsewhere);
    elsewhere.*part = "";
    CHECK(presence_of(elsewhere, self) == Presence::Elsewhere);
  }
  TemporaryDirectory dir;
  ClaimBoard gone(dir.path(), "gone", {}, process_gone()), other_board(dir.path(), "other");
  REQUIRE(gone.take("r"));
  CHECK(other_board.look("r").state == ClaimState::Gone);
}

TEST_CASE("a damaged claim and one of another version are respected for their time", "[shards]") {
  TemporaryDirectory dir;
  ClaimBoard board(dir.path(), "board", kQuick);
  const std::string text =
      GENERATE(std::string(), std::string("{\"format\": 1, \"token\""), std::string("{\"format\": 9}"));
  write_text(claim_file(board, "r", 4), text);
  CHECK(board.look("r", true).state == ClaimState::Held);
  CHECK_FALSE(board.take("r"));
  std::this_thread::sleep_for(kQuick.stale + kQuick.watch);
  auto claim = board.take("r");
  REQUIRE(claim);
  CHECK(claim->number() == 5);
}

TEST_CASE("a claim says who has it, in the file and after it was read", "[shards]") {
  ClaimRecord record;
  record.token = "t";
  record.holder = "shard 3/8";
  record.program = "0.1 (abc)";
  record.process = {"node7", "boot", "pid:[1]", 4711, 12};
  record.written = 99;
  const ClaimRecord read = decode_claim(encode_claim(record), "x");
  CHECK(read.process == record.process);
  CHECK(read.holder == record.holder);
  CHECK(read.token == record.token);
  CHECK(read.program == record.program);
  CHECK(read.written == record.written);
  CHECK_FALSE(read.free);
}

TEST_CASE("names that are no claims' are nobody's claims", "[shards]") {
  TemporaryDirectory dir;
  ClaimBoard board(dir.path(), "board");
  for (const char* name : {"r.claim", ".r.0.claim.x.tmp", "r.-1.claim", "r.x.claim", ".0.claim", "r.0.claim.tmp"})
    write_text(board.folder().path() / name, "{}");
  CHECK(board.look("r", true).number == -1);
  CHECK(board.look_at_all().empty());
}
