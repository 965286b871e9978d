// SPDX-License-Identifier: Apache-2.0
// The layout of run.h5, its determinism, and that plain HDF5 tools see it.
#include "metrics/log/run_file.h"

#include <cmath>
#include <cstdlib>

#include "metrics/files/files.h"
#include "metrics/hdf5/hdf5_file.h"
#include "precision/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

namespace precipice {
namespace {

RunSeries small_run() {
  RunSeries run;
  run.groups = {{"metrics", {{"train_loss", "nats", "loss"}, {"grad_norm", "1", "norm"}}, {}},
                {"eval", {{"val_loss", "nats", "validation loss"}}, {}},
                {"tensors", {{"x_amax", "1", "largest x"}, {"w_amax", "1", "largest w"}}, {"qkv", "up", "head"}}};
  for (std::int64_t step = 0; step < 10; ++step) {
    const auto value = static_cast<double>(step);
    run.rows.push_back({0, step, {5.0 - value, 100 + value}});
    if (step % 4 == 0) run.rows.push_back({2, step, {value, value + 1, value + 2, -value, -value - 1, -value - 2}});
  }
  return run;
}

RunFileHeader small_header() {
  return {"train.steps = 10\n",
          {{"commit", "abc"}, {"status", "done"}},
          {{"seed", 3}, {"divergence_step", -1}},
          {{"entropy_floor", 1.25}}};
}

}  // namespace

TEST_CASE("run.h5 holds every series on its steps, two-dimensional ones by step and site") {
  const Hdf5Reader file(build_run_file(small_run(), small_header()), "run.h5");
  CHECK(file.names("/") == std::vector<std::string>{"config", "eval", "metrics", "tensors"});
  CHECK(file.names("/metrics") == std::vector<std::string>{"grad_norm", "step", "train_loss"});
  CHECK(file.read_integers("/metrics/step") == std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  CHECK(file.read_doubles("/metrics/train_loss") == std::vector<double>{5, 4, 3, 2, 1, 0, -1, -2, -3, -4});
  CHECK(file.read_doubles("/metrics/grad_norm")[9] == 109);
  CHECK(file.read_integers("/tensors/step") == std::vector<std::int64_t>{0, 4, 8});
  CHECK(file.read_strings("/tensors/site") == std::vector<std::string>{"qkv", "up", "head"});
  CHECK(file.shape("/tensors/x_amax") == std::vector<std::uint64_t>{3, 3});
  CHECK(file.read_doubles("/tensors/x_amax") == std::vector<double>{0, 1, 2, 4, 5, 6, 8, 9, 10});
  CHECK(file.read_doubles("/tensors/w_amax")[8] == -10);
  CHECK(file.read_text("/config") == "train.steps = 10\n");
  CHECK(file.attribute_text("/", "schema_version") == kRunFileSchema);
  CHECK(file.attribute_text("/", "status") == "done");
  for (const char* path : {"/metrics/step", "/metrics/grad_norm", "/eval/val_loss", "/tensors/x_amax"}) {
    CHECK_FALSE(file.attribute_text(path, "units").empty());
    CHECK_FALSE(file.attribute_text(path, "long_name").empty());
  }
  CHECK(file.attribute_text("/metrics/train_loss", "units") == "nats");
}

TEST_CASE("a group with bins is three-dimensional, by step, site and bin, and other bins are noticed") {
  RunSeries run;
  run.groups = {
      {"histograms", {{"x", "elements", "x"}, {"w", "elements", "w"}}, {"up", "head"}, {"zero", "-1", "nan"}}};
  for (std::int64_t step = 0; step < 2; ++step) {
    run.rows.push_back({0, step, {}});
    for (int i = 0; i < 12; ++i) run.rows.back().values.push_back(100.0 * static_cast<double>(step) + i);
  }
  const std::string bytes = build_run_file(run, small_header());
  const Hdf5Reader file(bytes, "run.h5");
  CHECK(file.shape("/histograms/w") == std::vector<std::uint64_t>{2, 2, 3});
  CHECK(file.read_strings("/histograms/bin") == std::vector<std::string>{"zero", "-1", "nan"});
  CHECK(file.read_doubles("/histograms/w") == std::vector<double>{6, 7, 8, 9, 10, 11, 106, 107, 108, 109, 110, 111});
  const TemporaryDirectory place;
  write_file_atomic(place / "run.h5", bytes);
  CHECK_NOTHROW(check_run_file(place / "run.h5", run));
  run.groups[0].bins[1] = "-2";
  CHECK_THROWS_WITH(check_run_file(place / "run.h5", run), Catch::Contains("/histograms/bin"));
}

TEST_CASE("a group without rows still has every series, of length 0") {
  const Hdf5Reader file(build_run_file(small_run(), {}), "run.h5");
  CHECK(file.shape("/eval/step") == std::vector<std::uint64_t>{0});
  CHECK(file.shape("/eval/val_loss") == std::vector<std::uint64_t>{0});
  RunSeries empty = small_run();
  empty.rows.clear();
  CHECK(Hdf5Reader(build_run_file(empty, {}), "run.h5").shape("/tensors/x_amax") == std::vector<std::uint64_t>{0, 3});
}

TEST_CASE("equal runs give equal bytes, and any change of a value shows") {
  const std::string bytes = build_run_file(small_run(), small_header());
  CHECK(build_run_file(small_run(), small_header()) == bytes);
  RunSeries changed = small_run();
  changed.rows[3].values[0] = std::nextafter(changed.rows[3].values[0], 10.0);
  CHECK(build_run_file(changed, small_header()) != bytes);
}

TEST_CASE("h5dump and h5ls, which know nothing of us, read run.h5") {
  if (std::system("command -v h5dump h5ls > /dev/null 2>&1") != 0) {
    WARN("skipped: h5dump and h5ls are not installed");
    return;
  }
  const TemporaryDirectory directory;
  write_file_atomic(directory / "run.h5", build_run_file(small_run(), small_header()));
  const auto output_of = [&](const std::string& command) {
    const std::string out = (directory / "out").string();
    REQUIRE(std::system((command + " " + (directory / "run.h5").string() + " > " + out + " 2>&1").c_str()) == 0);
    return read_file(out, 1 << 20);
  };
  const std::string listing = output_of("h5ls -r");
  CHECK_THAT(listing, Catch::Contains("/metrics/train_loss") && Catch::Contains("Dataset {10}"));
  CHECK_THAT(listing, Catch::Contains("/tensors/x_amax") && Catch::Contains("Dataset {3, 3}"));
  const std::string dump = output_of("h5dump -a /divergence_step -d /tensors/w_amax");
  CHECK_THAT(dump, Catch::Contains("(0): -1") && Catch::Contains("-8, -9, -10") && Catch::Contains("DIMENSION_LIST"));
  const std::string layout = output_of("h5dump -p -H -d /metrics/train_loss");
  CHECK_THAT(layout, Catch::Contains("DEFLATE") && Catch::Contains("SHUFFLE") && Catch::Contains("FLETCHER32"));
}

TEST_CASE("rows that do not fit their group are a broken contract") {
  RunSeries run = small_run();
  run.rows[0].values.pop_back();
  CHECK_THROWS_AS(build_run_file(run, {}), ContractError);
  run = small_run();
  run.rows[0].group = 3;
  CHECK_THROWS_AS(build_run_file(run, {}), ContractError);
}

TEST_CASE("check_run_file accepts its own file and names what another one lacks") {
  const TemporaryDirectory directory;
  const std::filesystem::path path = directory / "run.h5";
  const RunSeries run = small_run();
  write_file_atomic(path, build_run_file(small_run(), small_header()));
  check_run_file(path, run);
  SECTION("another series") {
    RunSeries more = run;
    more.groups[0].series.push_back({"extra", "1", "x"});
    CHECK_THROWS_WITH(check_run_file(path, more), Catch::Contains("/metrics/extra: not found"));
  }
  SECTION("other sites") {
    RunSeries other = run;
    other.groups[2].sites[1] = "down";
    CHECK_THROWS_WITH(check_run_file(path, other), Catch::Contains("/tensors/site"));
  }
  SECTION("a series of another length") {
    const std::vector<double> one{1};
    const std::vector<std::int64_t> steps{0, 1};
    Hdf5Writer writer;
    writer.write("/config", std::string());
    writer.attribute("/", "schema_version", std::string(kRunFileSchema));
    writer.write("/eval/step", steps, {2});
    writer.write("/eval/val_loss", one, {1});
    write_file_atomic(path, writer.finish());
    CHECK_THROWS_WITH(check_run_file(path, {{run.groups[1]}, {}}),
                      Catch::Contains("/eval/val_loss: not one value per step"));
  }
  SECTION("steps that fall, or are not the journal's") {
    RunSeries other = run;
    for (SeriesRow& row : other.rows) row.step = 10 - row.step;
    write_file_atomic(path, build_run_file(other, small_header()));
    CHECK_THROWS_WITH(check_run_file(path, run), Catch::Contains("/metrics/step: steps must rise"));
    for (SeriesRow& row : other.rows) row.step = 100 - row.step;
    write_file_atomic(path, build_run_file(other, small_header()));
    CHECK_THROWS_WITH(check_run_file(path, run), Catch::Contains("/metrics/step: other steps than the journal's"));
  }
  SECTION("a group that the journal does not have") {
    RunSeries more = run;
    more.groups.push_back({"planted", {{"x", "1", "x"}}, {}});
    write_file_atomic(path, build_run_file(more, small_header()));
    CHECK_THROWS_WITH(check_run_file(path, run), Catch::Contains("/planted: the journal has no such group"));
  }
  SECTION("another schema") {
    Hdf5Writer writer;
    writer.attribute("/", "schema_version", std::string("99"));
    write_file_atomic(path, writer.finish());
    CHECK_THROWS_WITH(check_run_file(path, run), Catch::Contains("schema version 99"));
  }
}

}  // namespace precipice
