// SPDX-License-Identifier: Apache-2.0
// Files of packed runs, read by the paths that they had.
#include "metrics/files/packed_runs.h"

#include "metrics/files/files.h"
#include "metrics/files/run_files.h"
#include "precision/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

namespace precipice {
namespace {

const std::string kId = "0123456789";

void pack_one(const std::filesystem::path& sweep, const std::string& name, const std::string& id,
              const std::string& text) {
  std::filesystem::create_directories(sweep / kPackedFolder);
  BundleWriter writer = std::move(BundleWriter::append_to(Directory(sweep / kPackedFolder), name, sweep).value());
  writer.add(id, "status.json", text);
  writer.add(id, "ckpt/step_00000007.ckpt", "seven");
  writer.end_run(id);
  writer.commit();
}

}  // namespace

TEST_CASE("a file of a packed run is read by its path, until the run has a directory again") {
  const TemporaryDirectory sweep;
  const auto path = sweep / kId / "status.json";
  CHECK_FALSE(is_there(path));
  pack_one(sweep.path(), "host.zip", kId, "packed");
  CHECK(is_there(path));
  CHECK(read_file(path, 100) == "packed");
  CHECK_THROWS_WITH(read_file(path, 3), Catch::Contains("at most 3"));
  CHECK(read_file(sweep / kId / "ckpt" / "step_00000007.ckpt", 100) == "seven");
  CHECK(packed_names(sweep / kId / "ckpt") == std::vector<std::string>{"step_00000007.ckpt"});
  CHECK(packed_names(sweep / kId) == std::vector<std::string>{"status.json"});
  REQUIRE(find_packed_run(sweep / kId).has_value());
  CHECK(find_packed_run(sweep / kId / "")->id == kId);
  CHECK_FALSE(is_there(sweep / kId / "run.h5"));
  CHECK_THROWS_WITH(read_file(sweep / kId / "run.h5", 100), Catch::Contains("No such file"));
  CHECK_FALSE(is_there(sweep / "9876543210" / "status.json"));

  // A folder that an analysis made for its results hides nothing, a run's directory does.
  std::filesystem::create_directory(sweep / kId);
  CHECK(read_file(path, 100) == "packed");
  write_text(sweep / kId / "config.toml", "");
  CHECK_FALSE(is_there(path));
  write_text(path, "loose");
  CHECK(read_file(path, 100) == "loose");
}

TEST_CASE("runs that are packed while somebody looks on are seen, in every bundle") {
  const TemporaryDirectory sweep;
  pack_one(sweep.path(), "a.zip", "00000000aa", "in a");
  CHECK(read_file(sweep / "00000000aa" / "status.json", 100) == "in a");
  pack_one(sweep.path(), "b.zip", "00000000bb", "in b");
  CHECK(read_file(sweep / "00000000bb" / "status.json", 100) == "in b");
  pack_one(sweep.path(), "a.zip", "00000000cc", "in a, too");
  CHECK(read_file(sweep / "00000000cc" / "status.json", 100) == "in a, too");
  CHECK(bundles_of(sweep.path()).size() == 2);
  CHECK_NOTHROW(check_bundles(sweep.path()));
}

TEST_CASE("a bundle that lost its end is one error for whoever counts runs") {
  const TemporaryDirectory sweep;
  pack_one(sweep.path(), "a.zip", "00000000aa", "first");
  pack_one(sweep.path(), "a.zip", "00000000bb", "second");
  const auto path = sweep / kPackedFolder / "a.zip";
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 30);
  CHECK_THROWS_WITH(check_bundles(sweep.path()),
                    Catch::Contains(path.string()) && Catch::Contains("2 runs in it are whole"));
  CHECK(read_file(sweep / "00000000bb" / "status.json", 100) == "second");
}

}  // namespace precipice
