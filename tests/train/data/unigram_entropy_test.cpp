// SPDX-License-Identifier: Apache-2.0
// The entropy of single tokens against sums written out, of every source, and of streams that are counted in part.
#include "train/data/unigram_entropy.h"
#include "train/data/open_tokens.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/train/data/data_support.h"
#include "train/data/batches_file.h"
#include "train/data/tokens.h"

using namespace precipice;

namespace {

// -sum p ln p, summed the other way: ln n - (1 / n) sum n_v ln n_v.
double entropy_of(const std::vector<std::int64_t>& tokens) {
  std::map<std::int64_t, double> counts;
  for (const std::int64_t token : tokens) ++counts[token];
  double sum = 0;
  for (const auto& [token, count] : counts) sum += count * std::log(count);
  const auto n = static_cast<double>(tokens.size());
  return std::log(n) - sum / n;
}

double entropy_by_function(const std::vector<std::int64_t>& tokens) {
  return unigram_entropy(static_cast<std::int64_t>(tokens.size()),
                         [&](std::int64_t i) { return tokens[static_cast<std::size_t>(i)]; });
}

}  // namespace

TEST_CASE("the unigram entropy is ln V for V tokens that occur alike, 0 for one token, NaN for none", "[data]") {
  std::vector<std::int64_t> tokens(6400);
  for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<std::int64_t>(i % 64);
  CHECK(entropy_by_function(tokens) == Approx(std::log(64)).epsilon(1e-12));
  CHECK(entropy_by_function(std::vector<std::int64_t>(10, 7)) == 0);
  CHECK(std::isnan(entropy_by_function({})));
  CHECK(entropy_by_function({5, 5, 5, 70000}) == Approx(-0.75 * std::log(0.75) - 0.25 * std::log(0.25)));
}

TEST_CASE("the unigram entropy of a text is that of its bytes, whatever the seed and the split", "[data]") {
  const TemporaryDirectory directory;
  std::string text;
  std::vector<std::int64_t> tokens;
  for (int i = 0; i < 3000; ++i) {
    text += static_cast<char>(i % 7 == 0 ? 'e' : 'a' + i % 26);
    tokens.push_back(static_cast<unsigned char>(text.back()));
  }
  write_bytes(directory / "text", text);
  RunConfig config = data_config("text", directory / "text");
  const double expected = entropy_of(tokens);
  CHECK(open_tokens(config)->unigram_entropy() == Approx(expected).epsilon(1e-12));
  config.data.seed = 77;
  config.data.validation_fraction = 0.4;
  CHECK(open_tokens(config)->unigram_entropy() == Approx(expected).epsilon(1e-12));
}

TEST_CASE("the unigram entropy of a file of batches is that of the tokens to be predicted", "[data]") {
  const TemporaryDirectory directory;
  RunConfig config = data_config("synthetic", "");
  const auto source = open_tokens(config);
  write_batches(directory / "b.h5", *source, config, config.train.steps);
  std::vector<std::int64_t> targets;
  for (std::int64_t step = 0; step < config.train.steps; ++step) {
    const Batch batch = source->training_batch(step);
    targets.insert(targets.end(), batch.y.begin(), batch.y.end());
  }
  config.data.source = DataSource::Batches;
  config.data.path = directory / "b.h5";
  CHECK(open_tokens(config)->unigram_entropy() == Approx(entropy_of(targets)).epsilon(1e-12));
}

TEST_CASE("of a long stream evenly spread blocks are counted, the first and the last token among them", "[data]") {
  constexpr std::int64_t kSize = std::int64_t{1} << 50;
  std::int64_t calls = 0, least = kSize, most = -1, at_half = 0;
  // The first half is token 0, the second draws two tokens alike: H = 1/2 ln 2 + 1/2 ln 4.
  const double entropy = unigram_entropy(kSize, [&](std::int64_t i) -> std::int64_t {
    ++calls, least = std::min(least, i), most = std::max(most, i), at_half += i < kSize / 2;
    return i < kSize / 2 ? 0 : 1 + i % 2;
  });
  CHECK(calls == kCountedTokens);
  CHECK(least == 0);
  CHECK(most == kSize - 1);
  CHECK(at_half == kCountedTokens / 2);
  CHECK(entropy == Approx(1.5 * std::log(2)).epsilon(1e-12));
}
