// SPDX-License-Identifier: Apache-2.0
// A status.json is believed about its own run only, and about results only with the run.h5 that it names.
#include "metrics/log/status_doubt.h"

#include "metrics/files/files.h"
#include "metrics/log/run_file.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

namespace precipice {
namespace {

const std::vector<std::string> kIds{"0123456789", "abcdef0123"};

RunStatus done_status(const std::string& run_file) {
  RunStatus status;
  status.run_id = kIds[0];
  status.state = RunState::Done;
  status.step = status.steps = 20;
  status.run_file_sha256 = sha256_hex(run_file);
  return status;
}

std::string run_file_of(const std::string& id) {
  RunFileHeader header;
  header.text["run_id"] = id;
  return build_run_file({}, header);
}

}  // namespace

TEST_CASE("a finished status is believed with its run, its steps and its run.h5, and doubted without one of them") {
  const TemporaryDirectory place;
  write_text(place / kRunFileName, "results");
  const RunStatus good = done_status("results");
  const auto doubt = [&](const RunStatus& status) { return reason_to_doubt(place.path(), status, kIds); };
  CHECK(doubt(good).empty());
  RunStatus status = good;
  status.run_id = kIds[1];  // as a version with other keys named the run
  CHECK(doubt(status).empty());
  status.run_id = "9999999999";
  CHECK(doubt(status) == "status.json is that of run 9999999999, not of 0123456789");
  status.run_id = "\x1b[2J";
  CHECK(doubt(status) == "status.json is that of no run of this program, not of 0123456789");
  status = good;
  status.step = 19;
  CHECK(doubt(status) == "status.json says done at step 19 of 20");
  status.state = RunState::Diverged;
  CHECK(doubt(status).empty());
  write_text(place / kRunFileName, "Results");
  CHECK_THAT(doubt(good), Catch::Contains("not the file whose SHA-256"));
  std::filesystem::remove(place / kRunFileName);
  CHECK(doubt(good) == "run.h5 is missing");
  std::filesystem::create_directory(place / kRunFileName);
  CHECK_THAT(doubt(good), Catch::Contains("not a regular file"));
}

TEST_CASE("a status of a run that goes on is believed without run.h5, if it is its own") {
  const TemporaryDirectory place;
  RunStatus status = done_status("");
  status.state = RunState::Interrupted;
  status.step = 3;
  CHECK(reason_to_doubt(place.path(), status, kIds).empty());
  status.run_id = "9999999999";
  CHECK_FALSE(reason_to_doubt(place.path(), status, kIds).empty());
}

TEST_CASE("a finished status that names no run is that of the run that run.h5 names") {
  const TemporaryDirectory place;
  for (const auto& [id, believed] : {std::pair{kIds[0], true}, {std::string("9999999999"), false}}) {
    const std::string bytes = run_file_of(id);
    write_text(place / kRunFileName, bytes);
    RunStatus status = done_status(bytes);
    status.run_id.clear();
    CHECK(reason_to_doubt(place.path(), status, kIds).empty() == believed);
  }
  write_text(place / kRunFileName, "no HDF5");
  RunStatus status = done_status("no HDF5");
  status.run_id.clear();
  CHECK_FALSE(reason_to_doubt(place.path(), status, kIds).empty());
}

}  // namespace precipice
