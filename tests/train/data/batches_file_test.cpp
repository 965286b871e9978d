// SPDX-License-Identifier: Apache-2.0
// batches.h5: training on the file is training on the batches it was made from.
#include <cmath>

#include "metrics/files/files.h"
#include "metrics/hdf5/hdf5_file.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/train/data/data_support.h"
#include "train/data/batches_file.h"
#include "train/data/open_tokens.h"

using namespace precipice;

namespace {

struct BatchesFile {
  BatchesFile() : config(data_config("synthetic")), path(directory / "batches.h5") {
    config.data.tokens = 5000;
    config.data.seed = 17;
    original = open_tokens(config);
    write_batches(path, *original, config, 10);
    config.data.source = DataSource::Batches;
    config.data.path = path.string();
  }
  std::string error() const {
    return data_error([&] { open_tokens(config); });
  }
  TemporaryDirectory directory;
  RunConfig config;  // of a run on the file
  std::filesystem::path path;
  std::unique_ptr<TokenSource> original;
};

void write_xy(const std::filesystem::path& path, const std::vector<std::int64_t>& x, const std::vector<std::int64_t>& y,
              const std::vector<std::uint64_t>& shape) {
  Hdf5Writer writer;
  writer.write("/x", std::span<const std::int64_t>(x), shape);
  writer.write("/y", std::span<const std::int64_t>(y), shape);
  write_file_atomic(path, writer.finish());
}

}  // namespace

TEST_CASE("a run on a batches file sees the original batches", "[data]") {
  const BatchesFile file;
  const auto source = open_tokens(file.config);
  for (std::int64_t step = 0; step < 10; ++step) {
    const Batch batch = source->training_batch(step), original = file.original->training_batch(step);
    CHECK(batch.x == original.x);
    CHECK(batch.y == original.y);
  }
  CHECK(source->vocabulary() == 64);
  CHECK(std::isnan(source->entropy_floor()));
  CHECK(source->validation_batches() == 0);
  CHECK(source->sha256() == sha256_hex(read_file(file.path, 1 << 20)));
  CHECK_THROWS_AS(source->training_batch(10), ContractError);
  CHECK_THROWS_AS(source->training_batch(-1), ContractError);
  CHECK_THROWS_AS(source->validation_batch(0), ContractError);
}

TEST_CASE("with data.cycle a run of many steps takes the first batches of a short file again and again", "[data]") {
  BatchesFile file;
  file.config.train.steps = 1000;
  CHECK_THAT(file.error(), Catch::Contains("(train.steps or more, train.batch, model.context) = (1000, "));
  file.config.data.cycle = 11;
  CHECK_THAT(file.error(), Catch::Contains("(data.cycle or more, train.batch, model.context) = (11, "));
  file.config.data.cycle = 3;
  const auto source = open_tokens(file.config);
  for (const std::int64_t step : {0, 1, 2, 3, 8, 999})
    CHECK(source->training_batch(step).x == file.original->training_batch(step % 3).x);
}

TEST_CASE("a batches file holds int64 (steps, batch, context) and where it comes from", "[data]") {
  const BatchesFile file;
  const Hdf5Reader reader(file.path);
  CHECK(reader.names("/") == std::vector<std::string>{"x", "y"});
  CHECK(reader.shape("/x") == std::vector<std::uint64_t>{10, 4, 8});
  CHECK(reader.shape("/y") == std::vector<std::uint64_t>{10, 4, 8});
  CHECK(reader.attribute_text("/", "data_source") == "synthetic");
  CHECK(reader.attribute_text("/", "data_sha256") == file.original->sha256());
  const std::vector<std::int64_t> x = reader.read_integers("/x"), y = reader.read_integers("/y");
  CHECK(std::vector<std::int64_t>(x.begin() + 1, x.begin() + 8) == std::vector<std::int64_t>(y.begin(), y.begin() + 7));
}

TEST_CASE("the batches of the validation loss, all of them, are written in the same form", "[data]") {
  const BatchesFile file;
  RunConfig config = file.config;
  config.data.source = DataSource::Synthetic;
  const std::filesystem::path path = file.directory / "validation.h5";
  REQUIRE(write_validation_batches(path, *file.original, config) == 3);
  const Hdf5Reader reader(path);
  CHECK(reader.shape("/x") == std::vector<std::uint64_t>{3, 4, 8});
  CHECK(reader.attribute_text("/", "data_sha256") == file.original->sha256());
  std::vector<std::int64_t> x, y;
  for (std::int64_t i = 0; i < 3; ++i) {
    const Batch batch = file.original->validation_batch(i);
    x.insert(x.end(), batch.x.begin(), batch.x.end());
    y.insert(y.end(), batch.y.begin(), batch.y.end());
  }
  CHECK(reader.read_integers("/x") == x);
  CHECK(reader.read_integers("/y") == y);

  const auto source = open_tokens(file.config);
  CHECK(has_parts(data_error([&] { write_validation_batches(path, *source, file.config); }),
                  {"data.source = batches", "no validation part"}));
}

TEST_CASE("equal batches give equal bytes, and an old file is replaced", "[data]") {
  const BatchesFile file;
  RunConfig config = file.config;
  config.data.source = DataSource::Synthetic;
  const std::string before = read_file(file.path, 1 << 20);
  write_batches(file.path, *file.original, config, 10);
  CHECK(read_file(file.path, 1 << 20) == before);
  write_batches(file.path, *file.original, config, 9);
  CHECK(read_file(file.path, 1 << 20) != before);
}

TEST_CASE("batches of another shape, or too few, are refused with both shapes", "[data]") {
  BatchesFile file;
  file.config.train.steps = 11;
  CHECK(has_parts(file.error(), {"batches.h5: /x has shape (10, 4, 8)", "train.steps", "(11, 4, 8) is needed"}));
  file.config.train.steps = 0;
  CHECK(file.error().empty());
  file.config.train.batch = 5;
  CHECK(has_parts(file.error(), {"(0, 5, 8) is needed"}));
  file.config.train.batch = 4;
  file.config.model.context = 7;
  CHECK(has_parts(file.error(), {"(0, 4, 7) is needed"}));
  file.config.model.context = 8;
  write_xy(file.path, std::vector<std::int64_t>(320), std::vector<std::int64_t>(320), {40, 8});
  CHECK(has_parts(file.error(), {"shape (40, 8)"}));
}

TEST_CASE("tokens outside the vocabulary, in x or in y, are refused", "[data]") {
  BatchesFile file;
  const std::vector<std::int64_t> good(320, 63);
  write_xy(file.path, good, good, {10, 4, 8});
  CHECK(file.error().empty());
  std::vector<std::int64_t> bad = good;
  bad[319] = 64;
  write_xy(file.path, good, bad, {10, 4, 8});
  CHECK(has_parts(file.error(), {"batches.h5: /y has token 64 at position 319", "data.vocabulary = 64", "0 to 63"}));
  bad[319] = -1;
  write_xy(file.path, bad, good, {10, 4, 8});
  CHECK(has_parts(file.error(), {"/x has token -1"}));
}

TEST_CASE("what is no batches file is refused by name", "[data]") {
  BatchesFile file;
  Hdf5Writer writer;
  writer.write("/z", std::span<const std::int64_t>(std::vector<std::int64_t>{1}), {1});
  write_file_atomic(file.path, writer.finish());
  CHECK(has_parts(file.error(), {"batches.h5", "/x"}));
  write_bytes(file.path, "no HDF5 file at all");
  CHECK(has_parts(file.error(), {"batches.h5"}));
  write_bytes(file.path, "");
  CHECK(has_parts(file.error(), {"batches.h5"}));
}

TEST_CASE("only as many batches as fit are written", "[data]") {
  const BatchesFile file;
  for (const std::int64_t steps : {std::int64_t{-1}, std::int64_t{0}, (std::int64_t{1} << 28) / 32 + 1})
    CHECK_THROWS_AS(write_batches(file.path, *file.original, file.config, steps), ConfigError);
}
