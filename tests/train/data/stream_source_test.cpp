// SPDX-License-Identifier: Apache-2.0
// Which windows become batches, over a stream whose tokens are their own positions.
#include <algorithm>
#include <cmath>
#include <set>

#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/train/data/data_support.h"
#include "train/data/open_tokens.h"

using namespace precipice;

namespace {

using Values = std::vector<std::int64_t>;

struct CountingSource {
  explicit CountingSource(int count) { write_bytes(directory / "count.bin", counting_tokens(count)); }
  std::unique_ptr<TokenSource> open(const RunConfig& base) const {
    RunConfig config = base;
    config.data.path = (directory / "count.bin").string();
    return open_tokens(config);
  }
  TemporaryDirectory directory;
};

// First positions of the rows; fails where a row is no window or y is not x one later.
Values starts_of(const Batch& batch, const RunConfig& config) {
  const auto context = static_cast<std::size_t>(config.model.context);
  const auto rows = static_cast<std::size_t>(config.train.batch);
  Values starts;
  REQUIRE(batch.x.size() == rows * context);
  REQUIRE(batch.y.size() == rows * context);
  for (std::size_t row = 0; row < rows; ++row) {
    starts.push_back(batch.x[row * context]);
    for (std::size_t t = 0; t < context; ++t) {
      REQUIRE(batch.x[row * context + t] == starts.back() + static_cast<std::int64_t>(t));
      REQUIRE(batch.y[row * context + t] == starts.back() + static_cast<std::int64_t>(t) + 1);
    }
  }
  return starts;
}

}  // namespace

TEST_CASE("training windows start at every place of the training part, equally often, and stay inside it", "[data]") {
  const CountingSource file(100);
  const RunConfig config = data_config("tokens");  // 90 tokens for training: starts 0 .. 81
  const auto source = file.open(config);
  std::vector<double> counts(82);
  const int steps = 20'000;
  for (int step = 0; step < steps; ++step)
    for (const std::int64_t start : starts_of(source->training_batch(step), config))
      counts.at(static_cast<std::size_t>(start)) += 1;
  const double expected = 4.0 * steps / 82;
  double chi_square = 0;
  for (const double count : counts) chi_square += (count - expected) * (count - expected) / expected;
  // 81 degrees of freedom: mean 81, standard deviation sqrt(162).
  CHECK(std::abs(chi_square - 81) < 5 * std::sqrt(162.0));
}

TEST_CASE("a training batch is a pure function of seed and step; rows, steps and seeds differ", "[data]") {
  const CountingSource file(60'000);
  RunConfig config = data_config("tokens");
  const auto source = file.open(config);
  const Values first = starts_of(source->training_batch(0), config);
  const Values later = starts_of(source->training_batch(7), config);
  CHECK(starts_of(source->training_batch(0), config) == first);
  CHECK(starts_of(file.open(config)->training_batch(7), config) == later);
  std::set<std::int64_t> distinct(first.begin(), first.end());
  distinct.insert(later.begin(), later.end());
  config.data.seed = 1;
  config.seed = 99;
  const Values other_seed = starts_of(file.open(config)->training_batch(0), config);
  distinct.insert(other_seed.begin(), other_seed.end());
  CHECK(distinct.size() == 12);
  // Seeds above 2^32 count in full.
  config.data.seed = std::int64_t{1} << 32;
  CHECK(starts_of(file.open(config)->training_batch(0), config) != first);
}

TEST_CASE("with data.cycle the first batches come again, and with 1 every step has the first", "[data]") {
  const CountingSource file(60'000);
  RunConfig config = data_config("tokens");
  const auto plain = file.open(config);
  for (const std::int64_t cycle : {1, 4}) {
    config.data.cycle = cycle;
    const auto again = file.open(config);
    for (const std::int64_t step : std::vector<std::int64_t>{0, 3, 4, 5, 4'294'967'295})
      CHECK(again->training_batch(step).x == plain->training_batch(step % cycle).x);
  }
}

TEST_CASE("a wider batch begins with the rows of a narrower one", "[data]") {
  const CountingSource file(60'000);
  RunConfig config = data_config("tokens");
  const Values narrow = starts_of(file.open(config)->training_batch(3), config);
  config.train.batch = 16;
  const Values wide = starts_of(file.open(config)->training_batch(3), config);
  CHECK(std::equal(narrow.begin(), narrow.end(), wide.begin()));
}

TEST_CASE("the first training windows never change", "[data]") {
  const CountingSource file(60'000);
  const RunConfig config = data_config("tokens");
  CHECK(starts_of(file.open(config)->training_batch(0), config) == Values{26749, 41151, 41518, 52000});
  CHECK(starts_of(file.open(config)->training_batch(1), config) == Values{42191, 4954, 14430, 25825});
}

TEST_CASE("validation windows spread evenly over the last part, whatever the seeds", "[data]") {
  const CountingSource file(10'000);
  RunConfig config = data_config("tokens");
  config.data.validation_fraction = 0.25;
  Values starts;
  for (const std::int64_t seed : {0, 5}) {
    config.seed = seed;
    config.data.seed = seed;
    const auto source = file.open(config);
    REQUIRE(source->validation_batches() == 3);
    Values all;
    for (std::int64_t i = 0; i < 3; ++i)
      for (const std::int64_t start : starts_of(source->validation_batch(i), config)) all.push_back(start);
    if (seed == 0) starts = all;
    CHECK(all == starts);
  }
  CHECK(starts.size() == 12);
  CHECK(starts.front() == 7500);
  CHECK(starts.back() == 10'000 - 9);
  for (std::size_t i = 1; i < starts.size(); ++i) CHECK(std::abs(starts[i] - starts[i - 1] - 2491.0 / 11) < 1);
}

TEST_CASE("a short validation part gives fewer batches, without overlap, but at least one", "[data]") {
  const RunConfig config = data_config("tokens");
  // A tenth for validation; disjoint windows of 8 (+ 1) tokens, four a batch: 64 + 1 are needed for two batches.
  const CountingSource two(650), nearly_two(649), tiny(90);
  CHECK(two.open(config)->validation_batches() == 2);
  CHECK(nearly_two.open(config)->validation_batches() == 1);
  Values starts;
  for (std::int64_t i = 0; i < 2; ++i)
    for (const std::int64_t start : starts_of(two.open(config)->validation_batch(i), config)) starts.push_back(start);
  for (std::size_t i = 1; i < starts.size(); ++i) CHECK(starts[i] - starts[i - 1] >= 8);
  CHECK(tiny.open(config)->validation_batches() == 1);
  CHECK(starts_of(tiny.open(config)->validation_batch(0), config) == Values{81, 81, 81, 81});
}

TEST_CASE("batches that do not exist are a broken contract", "[data]") {
  const CountingSource file(1000);
  const auto source = file.open(data_config("tokens"));
  CHECK_THROWS_AS(source->training_batch(-1), ContractError);
  CHECK_THROWS_AS(source->validation_batch(-1), ContractError);
  CHECK_THROWS_AS(source->validation_batch(source->validation_batches()), ContractError);
}
