// SPDX-License-Identifier: Apache-2.0
// The teacher's answers against plain loops over the weights of its stream, and what its batches depend on.
#include "train/data/teacher_source.h"

#include <cmath>

#include "metrics/curvature/flat_vectors.h"
#include "precision/rounding/random_streams.h"
#include "tests/support/catch.h"
#include "train/data/open_tokens.h"
#include "train/run/resolve_config.h"

using namespace precipice;

namespace {

RunConfig taught(std::vector<std::string> words = {}) {
  std::vector<Setting> settings = parse_settings(
      "[model]\nkind = \"mlp\"\nlayers = 2\nwidth = 16\nhidden = 24\n[data]\nteacher_layers = 3\nteacher_hidden = 40\n"
      "[train]\nbatch = 32\neval_batches = 2\n",
      "t.toml");
  for (const std::string& word : words) settings.push_back(parse_assignment(word));
  return resolve_config(settings);
}

std::vector<double> answers(const std::vector<float>& inputs, std::uint64_t seed) {
  constexpr std::size_t kWidth = 16, kHidden = 40;
  std::vector<double> all(inputs.begin(), inputs.end());
  for (std::uint32_t block = 0; block < 3; ++block) {
    const FlatVector up = random_normal(kHidden * kWidth, random_key(kTeacherStream, seed, 2 * block)),
                     down = random_normal(kWidth * kHidden, random_key(kTeacherStream, seed, 2 * block + 1));
    for (std::size_t row = 0; row < all.size(); row += kWidth) {
      std::vector<double> hidden(kHidden, 0.0), next(kWidth, 0.0);
      for (std::size_t i = 0; i < kHidden; ++i) {
        for (std::size_t j = 0; j < kWidth; ++j)
          hidden[i] += std::sqrt(2.0 / kWidth) * up[i * kWidth + j] * all[row + j];
        hidden[i] *= 0.5 * std::erfc(-hidden[i] / std::sqrt(2.0));
      }
      for (std::size_t i = 0; i < kWidth; ++i)
        for (std::size_t j = 0; j < kHidden; ++j)
          next[i] += std::sqrt(1.0 / kHidden) * down[i * kHidden + j] * hidden[j];
      for (std::size_t i = 0; i < kWidth; ++i) all[row + i] = next[i];
    }
  }
  return all;
}

double mean_of_squares(const std::vector<float>& values) {
  double sum = 0;
  for (const float x : values) sum += double{x} * double{x};
  return sum / static_cast<double>(values.size());
}

// Root mean square of a - b.
double rms_distance(const std::vector<float>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(sum / static_cast<double>(a.size()));
}

}  // namespace

TEST_CASE("a teacher's answers are its formula's, with the noise that the config says and none in validation") {
  const auto source = open_tokens(taught({"data.teacher_noise=0.1", "data.language_seed=7"}));
  const Batch training = source->training_batch(3), validation = source->validation_batch(1);
  REQUIRE(training.inputs.size() == 32 * 16);
  CHECK(training.x.empty());
  // fp32 sums of tens of terms near 1, in three blocks.
  CHECK(rms_distance(validation.targets, answers(validation.inputs, 7)) < 1e-5);
  // 512 normal numbers: their deviation is known to 3 %, three of these.
  CHECK(rms_distance(training.targets, answers(training.inputs, 7)) == Approx(0.1).epsilon(0.1));
  CHECK(mean_of_squares(training.inputs) == Approx(1).epsilon(0.2));
  // The size of a vector stays about what it is.
  CHECK(mean_of_squares(validation.targets) > 0.2);
  CHECK(mean_of_squares(validation.targets) < 5);
  CHECK(source->validation_batches() == 2);
  CHECK(std::isnan(source->entropy_floor()));
  CHECK(std::isnan(source->unigram_entropy()));
}

TEST_CASE("batches for a student are a function of the data's seed and the step, validation of the teacher alone") {
  const auto one = open_tokens(taught()), again = open_tokens(taught()), other = open_tokens(taught({"data.seed=5"})),
             another = open_tokens(taught({"data.language_seed=1"})), cycle = open_tokens(taught({"data.cycle=1"}));
  CHECK(one->training_batch(4).inputs == again->training_batch(4).inputs);
  CHECK(one->training_batch(4).targets == again->training_batch(4).targets);
  CHECK(one->training_batch(4).inputs != one->training_batch(5).inputs);
  CHECK(one->training_batch(4).inputs != other->training_batch(4).inputs);
  CHECK(one->validation_batch(0).inputs == other->validation_batch(0).inputs);
  CHECK(one->validation_batch(0).inputs != one->validation_batch(1).inputs);
  CHECK(one->training_batch(4).inputs == another->training_batch(4).inputs);
  CHECK(one->training_batch(4).targets != another->training_batch(4).targets);
  CHECK(one->sha256() == other->sha256());
  CHECK(one->sha256() != another->sha256());
  // Full-batch training: the first batch with the first noise, always.
  CHECK(cycle->training_batch(9).targets == one->training_batch(0).targets);
}
