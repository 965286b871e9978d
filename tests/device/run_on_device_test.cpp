// SPDX-License-Identifier: Apache-2.0
// A run's directory, made on a device: files, checkpoints and resumption know it by what they say of it alone.
#include <atomic>
#include <cstring>
#include <filesystem>
#include <string>

#include "metrics/files/run_files.h"
#include "metrics/hdf5/hdf5_file.h"
#include "metrics/log/journal.h"
#include "metrics/log/status_file.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/test_device/test_device.h"
#include "tests/support/tiny_run.h"
#include "train/run/opened_device.h"
#include "train/run/run.h"

using namespace precipice;

namespace {

namespace fs = std::filesystem;

OpenedDevice opened_test_device() {
  return {test_device::test_device(), {"cuda", "Test GPU", "13.0", "13.1.0", "bf16 (cuBLAS, sm_90)"}};
}

RunConfig config_for(const std::string& device) {
  return test::tiny_config(
      {"device=" + device, "precision.recipe=fp8", "train.steps=4", "train.eval_every=2", "train.checkpoint_every=2"});
}

// Interrupted after `stop_at` steps, if that is not 0.
RunStatus run_in(const fs::path& directory, const RunConfig& config, const OpenedDevice* device,
                 std::int64_t stop_at = 0) {
  std::atomic<bool> stop{false};
  RunRequest request{config, directory, "test", &stop, {}};
  request.device = device;
  request.progress = [&](const RunProgress& progress) { stop = progress.step == stop_at; };
  return execute_run(request);
}

std::string attribute_of(const fs::path& run, const std::string& name) {
  const Hdf5Reader file(text_of(run / kRunFileName), kRunFileName);
  return file.has_attribute("/", name) ? file.attribute_text("/", name) : "";
}

}  // namespace

TEST_CASE("a run on a device says which in run.h5 and status.json, and has the CPU's numbers, resumed or not") {
  const TemporaryDirectory place;
  const OpenedDevice device = opened_test_device();
  REQUIRE(run_in(place / "cpu", config_for("cpu"), nullptr).step == 4);
  REQUIRE(run_in(place / "whole", config_for("cuda"), &device).step == 4);
  REQUIRE(run_in(place / "parts", config_for("cuda"), &device, 3).state == RunState::Interrupted);
  REQUIRE(run_in(place / "parts", config_for("cuda"), &device).step == 4);
  const auto rows_of = [&](const std::string& run) { return read_journal(place / run / kJournalFileName).series.rows; };
  const auto expected = rows_of("cpu");
  for (const char* run : {"whole", "parts"}) {
    INFO(run);
    const auto rows = rows_of(run);
    REQUIRE(rows.size() == expected.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      REQUIRE(rows[i].values.size() == expected[i].values.size());
      CHECK(std::memcmp(rows[i].values.data(), expected[i].values.data(), rows[i].values.size() * sizeof(double)) == 0);
    }
    CHECK(attribute_of(place / run, "device") == "cuda");
    CHECK(attribute_of(place / run, "gpu_model") == "Test GPU");
    CHECK(attribute_of(place / run, "cublas_version") == "13.1.0");
    CHECK(attribute_of(place / run, "carrier") == "bf16 (cuBLAS, sm_90)");
    CHECK(attribute_of(place / run, "driver").empty());  // nothing depends on it, and equal runs have equal files
    const RunStatus status = read_status(place / run / kStatusFileName).value();
    CHECK(status.device.driver == "13.0");
    CHECK(status.device.gpu_model == "Test GPU");
    CHECK_THAT(text_of(place / run / kLogFileName),
               Catch::Contains("Test GPU, driver for CUDA 13.0, cuBLAS 13.1.0, products bf16 (cuBLAS, sm_90)"));
  }
  CHECK(text_of(place / "whole" / kRunFileName) == text_of(place / "parts" / kRunFileName));
}

TEST_CASE("a run on the CPU has nothing of a GPU in its files") {
  const TemporaryDirectory place;
  run_in(place / "run", config_for("cpu"), nullptr);
  CHECK(attribute_of(place / "run", "device") == "cpu");
  for (const char* name : {"gpu_model", "cublas_version", "driver"}) {
    CHECK(attribute_of(place / "run", name).empty());
    CHECK_FALSE(contains(text_of(place / "run" / kStatusFileName), name));
  }
  CHECK_FALSE(contains(text_of(place / "run" / kStatusFileName), "device"));
}
