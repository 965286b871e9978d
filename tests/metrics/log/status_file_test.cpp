// SPDX-License-Identifier: Apache-2.0
// status.json through damage, dead processes and publications cut short.
#include "metrics/log/status_file.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <ctime>
#include <limits>
#include <random>

#include "metrics/files/files.h"
#include "metrics/log/run_file.h"
#include "precision/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

namespace precipice {
namespace {

RunStatus full_status() {
  RunStatus status;
  status.state = RunState::Diverged;
  status.step = 120;
  status.steps = 1000;
  status.pid = 4711;
  status.process_start = 123456789;
  status.host = "node \"7\"";
  status.heartbeat = 1790000000;
  status.reason = "loss risen";
  status.divergence_step = 77;
  status.final_loss = 5.0 / 3;
  status.run_file_sha256 = sha256_hex("a");
  status.run_file_before = kNoRunFile;
  status.wall_seconds = 12.5;
  status.cpu_seconds = 21.25;
  status.steps_per_second = 9.6;
  status.invocation = "precipice train a.toml";
  status.exit_code = 0;
  return status;
}

}  // namespace

TEST_CASE("a status reads back as it was written") {
  const TemporaryDirectory directory;
  write_status(directory.path(), full_status(), "s");
  const auto status = read_status(directory / "s");
  REQUIRE(status);
  CHECK(status->state == RunState::Diverged);
  CHECK(status->step == 120);
  CHECK(status->host == "node \"7\"");
  CHECK(status->divergence_step == 77);
  CHECK(status->final_loss == 5.0 / 3);
  CHECK(status->exit_code == 0);
  // Every other field: what was read is written as the same text.
  write_status(directory.path(), *status, "again");
  CHECK(text_of(directory / "again") == text_of(directory / "s"));
}

TEST_CASE("a status has the fields of a device where there is one, and reads back without them") {
  const TemporaryDirectory directory;
  RunStatus status = full_status();
  write_status(directory.path(), status, "cpu");
  for (const DeviceField& field : kDeviceFields) CHECK_FALSE(contains(text_of(directory / "cpu"), field.key));
  CHECK(read_status(directory / "cpu")->device.device.empty());
  status.device = {"cuda", "NVIDIA H200", "13.0", "13.1.0", "bf16 (cuBLAS, sm_90)"};
  write_status(directory.path(), status, "gpu");
  const auto read = read_status(directory / "gpu");
  REQUIRE(read);
  for (const DeviceField& field : kDeviceFields) {
    INFO(field.key);
    CHECK(read->device.*field.text == status.device.*field.text);
    CHECK(contains(text_of(directory / "gpu"), "\"" + std::string(field.key) + "\": \"" + status.device.*field.text));
  }
}

TEST_CASE("a final loss that is no number keeps which one it was") {
  const TemporaryDirectory directory;
  const double infinity = std::numeric_limits<double>::infinity();
  RunStatus status;
  CHECK(std::isnan(status.final_loss));
  for (const double loss : {infinity, -infinity}) {
    status.final_loss = loss;
    write_status(directory.path(), status, "s");
    CHECK(read_status(directory / "s")->final_loss == loss);
  }
  status.final_loss = std::numeric_limits<double>::quiet_NaN();
  write_status(directory.path(), status, "s");
  CHECK(std::isnan(read_status(directory / "s")->final_loss));
  CHECK_THAT(text_of(directory / "s"), Catch::Contains("\"final_loss\": \"nan\""));
}

TEST_CASE("text that is no UTF-8 does not stop a run") {
  const TemporaryDirectory directory;
  RunStatus status;
  status.invocation = "precipice train \xff.toml";
  write_status(directory.path(), status, "s");
  CHECK(read_status(directory / "s"));
}

TEST_CASE("a missing status is no error, a damaged one names file and key") {
  const TemporaryDirectory directory;
  CHECK_FALSE(read_status(directory / "s"));
  CHECK_THROWS_AS(read_status(directory.path()), DataError);
  write_status(directory.path(), full_status(), "s");
  const std::string good = text_of(directory / "s");
  const auto damaged = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    REQUIRE(text.find(from) != std::string::npos);
    text.replace(text.find(from), from.size(), to);
    write_file_atomic(directory / "s", text);
    CHECK_THROWS_WITH(read_status(directory / "s"), Catch::Contains("s: damaged status file"));
  };
  damaged("{", "");
  damaged("\"diverged\"", "\"lost\"");
  damaged("\"diverged\"", "\"stale\"");
  damaged("\"diverged\"", "7");
  damaged("\"step\"", "\"stop\"");
  damaged(": 120,", ": 120.5,");
  damaged(": 120,", ": 1e300,");
  damaged(": 120,", ": 18446744073709551615,");
  damaged("\"exit_code\": 0", "\"exit_code\": 4294967296");
  damaged("1.6666666666666667", "null");
  damaged("1.6666666666666667", "\"large\"");
  for (const std::string text : {"", "[]", "3", "\xff", "{\"state\": {}}"}) {
    write_file_atomic(directory / "s", text);
    CHECK_THROWS_AS(read_status(directory / "s"), DataError);
  }
}

TEST_CASE("5000 mutated status files give a status or a DataError") {
  const TemporaryDirectory directory;
  write_status(directory.path(), full_status(), "s");
  const std::string good = text_of(directory / "s");
  std::mt19937_64 random(10);
  const std::filesystem::path mutated = directory / "m";
  for (int round = 0; round < 5000; ++round) {
    std::string text = good;
    for (int i = 0; i < 3; ++i) text[random() % text.size()] = "\0\"{}[]:,9e-\xff n"[random() % 14];
    std::filesystem::remove(mutated);  // cutting or renaming would wait for the disk each time
    FILE* const file = std::fopen(mutated.c_str(), "wb");
    REQUIRE(file != nullptr);
    std::fwrite(text.data(), 1, text.size(), file);
    std::fclose(file);
    try {
      read_status(mutated);
    } catch (const DataError&) {
    }
  }
}

TEST_CASE("a process is alive until it ends, a zombie or a later process of its id is not") {
  const auto start = start_time_of_process(::getpid());
  REQUIRE(start);
  CHECK(*start > 0);
  CHECK(process_alive(::getpid(), *start));
  CHECK_FALSE(process_alive(::getpid(), *start + 1));
  CHECK_FALSE(process_alive(0, 0));
  CHECK_FALSE(process_alive(-1, 0));
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  siginfo_t info;
  REQUIRE(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT) == 0);
  CHECK_FALSE(start_time_of_process(child));  // a zombie now
  ::waitpid(child, nullptr, 0);
  CHECK_FALSE(start_time_of_process(child));
}

TEST_CASE("a running run is stale when its heartbeat stopped or its process is gone on this host") {
  RunStatus status;
  status.state = RunState::Running;
  stamp(status);
  CHECK(observed_state(status) == RunState::Running);
  CHECK(std::abs(status.heartbeat - std::time(nullptr)) <= 2);
  CHECK(observed_state(status, status.host, status.heartbeat + 60) == RunState::Running);
  CHECK(observed_state(status, status.host, status.heartbeat + 61) == RunState::Stale);
  status.process_start += 1;
  CHECK(observed_state(status) == RunState::Stale);
  CHECK(observed_state(status, "elsewhere", status.heartbeat) == RunState::Running);
  CHECK(observed_state(status, "elsewhere", status.heartbeat + 61) == RunState::Stale);
  status.state = RunState::Done;
  CHECK(observed_state(status, status.host, status.heartbeat + 1000000) == RunState::Done);
}

TEST_CASE("after a publication run.h5 and its recorded hash agree") {
  const TemporaryDirectory directory;
  RunStatus status = full_status();
  status.run_file_sha256.clear();
  status.run_file_before.clear();
  for (const std::string bytes : {"first", "second", "second"}) {
    publish_run_file(directory.path(), bytes, status);
    CHECK(text_of(directory / kRunFileName) == bytes);
    const auto read = read_status(directory / kStatusFileName);
    CHECK(read->run_file_sha256 == sha256_hex(bytes));
    CHECK(read->run_file_before.empty());
    CHECK(read->run_file_sha256 == status.run_file_sha256);
  }
}

TEST_CASE("a publication that fails leaves files that agree, also twice in a row, and can be repeated") {
  const TemporaryDirectory directory;
  RunStatus status;
  publish_run_file(directory.path(), "old", status);
  status.run_file_before = sha256_hex("older");  // as a kill after the rename leaves it
  write_status(directory.path(), status);
  for (const char filling : {'a', 'b'}) {
    const pid_t child = ::fork();
    if (child == 0) {
      // Room for the status but not for run.h5.
      ::signal(SIGXFSZ, SIG_IGN);
      const rlimit limit{5000, 5000};
      ::setrlimit(RLIMIT_FSIZE, &limit);
      RunStatus resumed = *read_status(directory / kStatusFileName);
      for (int attempt = 0; attempt < 2; ++attempt) {
        try {
          publish_run_file(directory.path(), std::string(10000, filling), resumed);
          ::_exit(1);
        } catch (const OutputError&) {
        }
      }
      ::_exit(7);
    }
    int result = 0;
    ::waitpid(child, &result, 0);
    REQUIRE((WIFEXITED(result) && WEXITSTATUS(result) == 7));
    CHECK(text_of(directory / kRunFileName) == "old");
    const auto read = read_status(directory / kStatusFileName);
    CHECK(read->run_file_before == sha256_hex("old"));
    CHECK(read->run_file_sha256 == sha256_hex(std::string(10000, filling)));
  }
  RunStatus resumed = *read_status(directory / kStatusFileName);
  publish_run_file(directory.path(), "new", resumed);
  CHECK(read_status(directory / kStatusFileName)->run_file_sha256 == sha256_hex("new"));
  CHECK(read_status(directory / kStatusFileName)->run_file_before.empty());
}

}  // namespace precipice
