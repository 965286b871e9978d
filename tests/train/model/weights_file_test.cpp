// SPDX-License-Identifier: Apache-2.0
#include "train/model/weights_file.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "metrics/files/files.h"
#include "metrics/hdf5/hdf5_file.h"
#include "precision/base/check.h"
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
  const std::string name = GENERATE("weights.h5", "weights.safetensors");
  CAPTURE(name);
  write_weights(directory / name, weights, {{"kind", "gpt"}}, weights_format_of(name));
  const auto read = read_weights(directory / name);
  REQUIRE(read.size() == weights.size());
  for (std::size_t i = 0; i < read.size(); ++i) {
    CHECK(read[i].name == weights[i].name);
    CHECK(read[i].shape == weights[i].shape);
    REQUIRE(read[i].values.size() == weights[i].values.size());
    CHECK(std::memcmp(read[i].values.data(), weights[i].values.data(), 4 * read[i].values.size()) == 0);
  }
}

TEST_CASE("the names are datasets of the root group, dots and all, and what is said of the model its attributes",
          "[weights]") {
  const TemporaryDirectory directory;
  write_weights(directory / "weights.h5", example_weights(), {{"kind", "gpt"}, {"layers", 2}, {"softcap", 0.5}});
  const Hdf5Reader reader(directory / "weights.h5");
  CHECK(reader.shape("/transformer.h.0.attn.c_attn.weight") == std::vector<std::uint64_t>{300, 100});
  CHECK(reader.attribute_text("/", "kind") == "gpt");
  CHECK(reader.has_attribute("/", "layers"));
  CHECK(reader.has_attribute("/", "softcap"));
}

TEST_CASE("the name of a file says its format, and words do in either case", "[weights]") {
  CHECK(weights_format_of("runs/a.safetensors") == WeightsFormat::Safetensors);
  CHECK(weights_format_of("runs.safetensors/a.h5") == WeightsFormat::Hdf5);
  CHECK(weights_format_of("a") == WeightsFormat::Hdf5);
  CHECK(parse_weights_format("HDF5") == WeightsFormat::Hdf5);
  CHECK(parse_weights_format("safetensors") == WeightsFormat::Safetensors);
  CHECK_THROWS_AS(parse_weights_format("numpy"), ConfigError);
}

TEST_CASE("numbers of attributes are text that reads back as the same number", "[weights]") {
  CHECK(to_text(0.1) == "0.1");
  CHECK(to_text(1e-5) == "1e-05");
  CHECK(std::stod(to_text(0.1 + 0.2)) == 0.1 + 0.2);
  CHECK(to_text(std::int64_t{-7}) == "-7");
  CHECK(to_text(std::string("gpt")) == "gpt");
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
