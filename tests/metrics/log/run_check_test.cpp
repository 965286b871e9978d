// SPDX-License-Identifier: Apache-2.0
// What verify says about whole, killed and damaged runs.
#include "metrics/log/run_check.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>

#include "metrics/files/files.h"
#include "metrics/log/journal.h"
#include "metrics/log/run_file.h"
#include "metrics/log/status_file.h"
#include "precision/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

namespace precipice {
namespace {

std::vector<SeriesGroup> groups() {
  return {{"metrics", {{"train_loss", "nats", "loss"}}, {}}, {"tensors", {{"x_amax", "1", "largest"}}, {"a", "b"}}};
}

RunSeries run_of(std::int64_t steps) {
  RunSeries run{groups(), {}};
  for (std::int64_t step = 0; step < steps; ++step) {
    run.rows.push_back({0, step, {5.0 / static_cast<double>(1 + step)}});
    run.rows.push_back({1, step, {1.0, 2.0}});
  }
  return run;
}

void write_run(const std::filesystem::path& directory, std::int64_t steps) {
  const RunSeries run = run_of(steps);
  JournalWriter journal = JournalWriter::create(directory, kJournalFileName, "id", groups());
  for (std::int64_t step = 0; step < steps; ++step)
    journal.append(step, std::span(run.rows).subspan(static_cast<std::size_t>(2 * step), 2));
  RunStatus status;
  status.state = RunState::Done;
  status.step = steps;
  publish_run_file(directory, build_run_file(run, {}), status);
}

std::string bytes_of(const std::filesystem::path& path) {
  return read_file(path, kMaxRunFileBytes);
}

void flip_bit(const std::filesystem::path& path, std::size_t at) {
  std::string bytes = bytes_of(path);
  bytes[at] ^= 1;
  write_file_atomic(path, bytes);
}

enum Checked { kStatus, kJournal, kRunFile };

}  // namespace

TEST_CASE("a whole run is intact in all three files") {
  const TemporaryDirectory directory;
  write_run(directory.path(), 20);
  const auto checks = check_run(directory.path());
  REQUIRE(checks.size() == 3);
  for (const FileCheck& check : checks) {
    INFO(check.path << ": " << check.message);
    CHECK(check.ok);
  }
  CHECK(checks[kStatus].path.filename() == kStatusFileName);
  CHECK(checks[kJournal].message == "40 rows intact, the last of step 19");
  CHECK(checks[kRunFile].message == "intact");
}

TEST_CASE("any changed bit of run.h5 is found") {
  const TemporaryDirectory directory;
  write_run(directory.path(), 20);
  const std::filesystem::path path = directory / kRunFileName;
  const std::size_t size = bytes_of(path).size();
  for (std::size_t at = 0; at < size; at += 1 + size / 20) {
    flip_bit(path, at);
    const auto checks = check_run(directory.path());
    REQUIRE_FALSE(checks[kRunFile].ok);
    REQUIRE_THAT(checks[kRunFile].message, Catch::Contains("SHA-256"));
    REQUIRE(checks[kStatus].ok);
    flip_bit(path, at);
  }
  CHECK(check_run(directory.path())[kRunFile].ok);
}

TEST_CASE("a torn journal is recoverable, damage before whole rows is not") {
  const TemporaryDirectory directory;
  write_run(directory.path(), 20);
  const std::filesystem::path path = directory / kJournalFileName;
  const std::string whole = bytes_of(path);
  write_file_atomic(path, whole.substr(0, whole.size() - 5));
  FileCheck check = check_run(directory.path())[kJournal];
  CHECK(check.ok);
  CHECK_THAT(check.message, Catch::StartsWith("recoverable: 38 rows intact, the last of step 18"));
  write_file_atomic(path, whole);
  flip_bit(path, whole.size() / 2 + 100);
  check = check_run(directory.path())[kJournal];
  CHECK_FALSE(check.ok);
  CHECK_THAT(check.message, Catch::Contains("damaged at byte"));
  flip_bit(path, 30);
  check = check_run(directory.path())[kJournal];
  CHECK_FALSE(check.ok);
  CHECK_THAT(check.message, Catch::Contains("header is damaged"));
}

TEST_CASE("missing files and an empty directory are reported, not thrown") {
  const TemporaryDirectory directory;
  for (const FileCheck& check : check_run(directory.path())) CHECK_FALSE(check.ok);
  for (const FileCheck& check : check_run(directory / "missing")) CHECK_FALSE(check.ok);
  write_run(directory.path(), 3);
  std::filesystem::remove(directory / kRunFileName);
  CHECK(check_run(directory.path())[kRunFile].message == "missing");
  std::filesystem::remove(directory / kJournalFileName);
  CHECK(check_run(directory.path())[kJournal].message == "missing");
  write_file_atomic(directory / kStatusFileName, "{");
  const auto checks = check_run(directory.path());
  CHECK_FALSE(checks[kStatus].ok);
  CHECK_FALSE(checks[kRunFile].ok);
}

TEST_CASE("a pending run needs neither journal nor run.h5, but a run.h5 that nobody recorded is a fault") {
  const TemporaryDirectory directory;
  write_status(directory.path(), RunStatus{});
  for (const FileCheck& check : check_run(directory.path())) CHECK(check.ok);
  write_file_atomic(directory / kRunFileName, build_run_file(run_of(2), {}));
  CHECK_FALSE(check_run(directory.path())[kRunFile].ok);
}

TEST_CASE("between the first status and the rename of a publication the old run.h5 is accepted") {
  const TemporaryDirectory directory;
  write_run(directory.path(), 20);
  RunStatus status = *read_status(directory / kStatusFileName);
  status.run_file_before = status.run_file_sha256;
  status.run_file_sha256 = sha256_hex("next");
  write_status(directory.path(), status);
  const FileCheck check = check_run(directory.path())[kRunFile];
  CHECK(check.ok);
  CHECK_THAT(check.message, Catch::Contains("cut short"));
}

TEST_CASE("a run.h5 of another program version fails although its hash is right") {
  const TemporaryDirectory directory;
  write_run(directory.path(), 3);
  RunSeries other = run_of(3);
  other.groups[0].series[0].name = "loss";
  RunStatus status;
  publish_run_file(directory.path(), build_run_file(other, {}), status);
  const FileCheck check = check_run(directory.path())[kRunFile];
  CHECK_FALSE(check.ok);
  CHECK_THAT(check.message, Catch::Contains("/metrics/train_loss: not found"));
}

TEST_CASE("a run killed while publishing verifies every time, and goes on from there") {
  const TemporaryDirectory directory;
  JournalWriter::create(directory.path(), kJournalFileName, "id", groups());
  write_status(directory.path(), RunStatus{});
  std::mt19937_64 random(11);
  for (int round = 0; round < 25; ++round) {
    const pid_t child = ::fork();
    if (child == 0) {
      RunStatus status = *read_status(directory / kStatusFileName);
      for (std::int64_t steps = 1 + 100 * round;; ++steps)
        publish_run_file(directory.path(), build_run_file(run_of(steps % 50), {}), status);
    }
    ::usleep(static_cast<useconds_t>(2000 + random() % 20000));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    for (const FileCheck& check : check_run(directory.path())) {
      INFO(check.path << ": " << check.message);
      REQUIRE(check.ok);
    }
  }
  Directory(directory.path()).remove_stale_temporaries();
  for (const auto& entry : std::filesystem::directory_iterator(directory.path()))
    CHECK(entry.path().extension() != ".tmp");
}

TEST_CASE("a run that publishes all the time verifies at every moment") {
  const TemporaryDirectory directory;
  write_run(directory.path(), 5);
  const pid_t child = ::fork();
  if (child == 0) {
    RunStatus status = *read_status(directory / kStatusFileName);
    for (std::int64_t steps = 1;; ++steps) {
      publish_run_file(directory.path(), build_run_file(run_of(steps % 50), {}), status);
      ::usleep(1000);
    }
  }
  int faults = 0;
  std::string message;
  for (int look = 0; look < 200; ++look) {
    const FileCheck check = check_run(directory.path())[kRunFile];
    if (!check.ok) ++faults, message = check.message;
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  INFO(message);
  CHECK(faults == 0);
}

}  // namespace precipice
