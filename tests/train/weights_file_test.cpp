// SPDX-License-Identifier: Apache-2.0
#include "train/weights_file.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "metrics/files.h"
#include "metrics/hdf5_file.h"
#include "precision/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

using namespace precipice;

namespace {

// In the ascending order of names in which a file gives them back.
std::vector<NamedArray> example_weights() {
  NamedArray large{"transformer.h.0.attn.c_attn.weight", {300, 100}, std::vector<float>(30'000)};
  for (std::size_t i = 0; i < large.values.size(); ++i) large.values[i] = std::sin(static_cast<float>(i));
  const float infinity = std::numeric_limits<float>::infinity();
  return {{"lm_head.weight", {2, 3}, {1.5f, -0.0f, 3e-42f, infinity, -infinity, std::nanf("")}},
          large,
          {"transformer.ln_f.weight", {1}, {0.1f}}};
}

}  // namespace

TEST_CASE("weights come back with names, shapes and bits", "[weights]") {
  const TemporaryDirectory directory;
  const auto weights = example_weights();
  write_weights(directory / "weights.h5", weights);
  const auto read = read_weights(directory / "weights.h5");
  REQUIRE(read.size() == weights.size());
  for (std::size_t i = 0; i < read.size(); ++i) {
    CHECK(read[i].name == weights[i].name);
    CHECK(read[i].shape == weights[i].shape);
    REQUIRE(read[i].values.size() == weights[i].values.size());
    CHECK(std::memcmp(read[i].values.data(), weights[i].values.data(), 4 * read[i].values.size()) == 0);
  }
  // The names are datasets of the root group, dots and all.
  CHECK(Hdf5Reader(directory / "weights.h5").shape("/transformer.h.0.attn.c_attn.weight") ==
        std::vector<std::uint64_t>{300, 100});
}

TEST_CASE("equal weights give equal bytes", "[weights]") {
  const TemporaryDirectory directory;
  write_weights(directory / "a.h5", example_weights());
  write_weights(directory / "b.h5", example_weights());
  CHECK(read_file(directory / "a.h5", 1 << 24) == read_file(directory / "b.h5", 1 << 24));
}

TEST_CASE("a file of other things than float32 is no weights file", "[weights]") {
  const TemporaryDirectory directory;
  const std::vector<double> doubles{1, 2};
  Hdf5Writer writer;
  writer.write("/lm_head.weight", std::span<const double>(doubles), {2});
  write_file_atomic(directory / "doubles.h5", writer.finish());
  CHECK_THROWS_AS(read_weights(directory / "doubles.h5"), DataError);
  CHECK_THROWS_AS(read_weights(directory / "none.h5"), DataError);
  CHECK_THROWS_AS(read_weights(directory.path()), DataError);
}
