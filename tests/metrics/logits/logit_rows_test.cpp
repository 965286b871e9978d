// SPDX-License-Identifier: Apache-2.0
// What the pass of the cross-entropy gives, against the exact closed forms in double.
#include "metrics/logits/logit_rows.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "precision/base/check.h"
#include "tests/support/catch.h"

using namespace precipice;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();
const std::vector<double> kEpsilons{1e-3, 5e-4, 1e-2};

struct Tokens {
  std::int64_t batch, context, vocabulary;
  std::vector<float> logits;
  std::vector<std::int64_t> targets;
  std::span<const float> row(std::int64_t i) const {
    return std::span(logits).subspan(static_cast<std::size_t>(i * vocabulary), static_cast<std::size_t>(vocabulary));
  }
};

Tokens random_tokens(std::int64_t batch, std::int64_t context, std::int64_t vocabulary, float deviation) {
  Tokens t{batch, context, vocabulary, {}, {}};
  std::mt19937 generator(static_cast<std::uint32_t>(vocabulary));
  std::normal_distribution<float> normal(0, deviation);
  for (std::int64_t i = 0; i < batch * context * vocabulary; ++i) t.logits.push_back(normal(generator));
  for (std::int64_t i = 0; i < batch * context; ++i)
    t.targets.push_back(static_cast<std::int64_t>(generator() % static_cast<std::uint32_t>(vocabulary)));
  return t;
}

LogitRows observe(const Tokens& t, std::span<const double> epsilons, bool backwards = false) {
  LogitRows rows(t.batch, t.context, t.vocabulary, epsilons);
  std::vector<float> e(static_cast<std::size_t>(t.vocabulary));
  const std::int64_t count = t.batch * t.context;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t row = backwards ? count - 1 - i : i;
    rows.observe(row, t.row(row), t.targets[static_cast<std::size_t>(row)], e);
  }
  return rows;
}

// By the definition, in long double.
long double loss_of(const std::vector<long double>& z, std::size_t target) {
  long double sum = 0;
  for (const long double value : z) sum += std::exp(value - z[target]);
  return std::log(sum);
}

}  // namespace

TEST_CASE("loss, log Z and sharpness of the fused pass are the exact ones to 1e-5") {
  for (const std::int64_t vocabulary : {2, 65, 256, 3000})
    for (const float deviation : {0.1f, 2.0f, 10.0f}) {
      const Tokens t = random_tokens(2, 5, vocabulary, deviation);
      const LogitRows rows = observe(t, kEpsilons);
      const auto exact = batch_sharpness(t.logits, t.targets, t.batch, t.context, vocabulary, kEpsilons);
      const auto found = rows.sharpness();
      INFO("vocabulary " << vocabulary << ", deviation " << deviation);
      REQUIRE(found.size() == exact.size());
      // exp of z - m takes over the rounding of that difference, half an ulp of at most 128: 4e-6.
      for (std::size_t k = 0; k < exact.size(); ++k) {
        CHECK(found[k].last_token.mean_of_metrics == Approx(exact[k].last_token.mean_of_metrics).epsilon(1e-5));
        CHECK(found[k].last_token.metric_of_mean == Approx(exact[k].last_token.metric_of_mean).epsilon(1e-5));
        CHECK(found[k].all_tokens.mean_of_metrics == Approx(exact[k].all_tokens.mean_of_metrics).epsilon(1e-5));
        CHECK(found[k].all_tokens.metric_of_mean == Approx(exact[k].all_tokens.metric_of_mean).epsilon(1e-5));
      }
      double loss = 0;
      for (std::int64_t i = 0; i < 10; ++i)
        loss += logit_sharpness(t.row(i), t.targets[static_cast<std::size_t>(i)], 1e-3).loss / 10;
      CHECK(rows.mean_loss() == Approx(loss).epsilon(1e-5));
      const LogitStatistics statistics = logit_statistics(t.logits, vocabulary);
      CHECK(rows.statistics().max_logit == statistics.max_logit);
      CHECK(rows.statistics().log_z == Approx(statistics.log_z).epsilon(1e-6).margin(1e-6));
    }
}

TEST_CASE("rows outside of the series' range get the exact sharpness bit for bit") {
  // A target far above all others, a masked logit, boxes that are too wide, one word.
  for (const std::vector<float>& z : {std::vector<float>{90, 1, 2}, {1, -kInf, 3}, {400, 1, 2}, {5}}) {
    const auto width = static_cast<std::int64_t>(z.size());
    LogitRows rows(1, 1, width, kEpsilons);
    std::vector<float> e(z.size());
    rows.observe(0, z, 0, e);
    for (std::size_t k = 0; k < kEpsilons.size(); ++k)
      CHECK(rows.sharpness()[k].all_tokens.mean_of_metrics == logit_sharpness(z, 0, kEpsilons[k]).sharpness);
  }
}

TEST_CASE("a small loss keeps its digits where the target leads") {
  LogitRows rows(1, 1, 3, {});
  std::vector<float> e(3);
  rows.observe(0, std::vector<float>{40, 1, 1}, 0, e);
  CHECK(rows.mean_loss() == Approx(2 * std::exp(-39.0)).epsilon(1e-5));
}

TEST_CASE("NaN and infinite logits make the batch's loss NaN and say what they are in the statistics") {
  for (const float bad : {kNan, kInf}) {
    Tokens t = random_tokens(1, 4, 20, 1);
    t.logits[33] = bad;
    const LogitRows rows = observe(t, kEpsilons);
    CHECK(std::isnan(rows.mean_loss()));
    CHECK(std::isnan(rows.sharpness()[0].all_tokens.mean_of_metrics));
    CHECK(std::isnan(rows.statistics().max_logit) == std::isnan(bad));
    CHECK(std::isnan(rows.statistics().log_z) == std::isnan(bad));
    if (bad == kInf) CHECK(rows.statistics().max_logit == kInf);
  }
}

TEST_CASE("the centred sharpness is the maximum over the box around z - mean z, whatever is added to all logits") {
  std::mt19937_64 random(8);
  const double epsilon = 1e-2;
  double published_before = 0, published_after = 0;
  for (int round = 0; round < 200; ++round) {
    const std::size_t size = 2 + random() % 6, target = random() % size;
    std::vector<float> z, moved;
    std::vector<long double> around;
    // Multiples of 2^-10 between -4 and 4: their sum with 1024 is exact.
    for (std::size_t i = 0; i < size; ++i)
      z.push_back(static_cast<float>(static_cast<int>(random() % 8192)) / 1024 - 4);
    for (const float value : z) moved.push_back(value + 1024);
    long double mean = 0;
    for (const float value : z) mean += value;
    mean /= static_cast<long double>(size);
    for (const float value : z) around.push_back(value - mean);
    // The maximum over the box lies at the corner that lowers the target and raises the others.
    std::vector<long double> corner = around;
    for (std::size_t i = 0; i < size; ++i) corner[i] += (i == target ? -1 : 1) * epsilon * (std::abs(around[i]) + 1);
    const long double loss = loss_of(around, target), expected = 100 * (loss_of(corner, target) - loss) / (1 + loss);
    const std::vector<double> epsilons{epsilon};
    const std::vector<std::int64_t> targets{static_cast<std::int64_t>(target)};
    const auto width = static_cast<std::int64_t>(size);
    for (const std::vector<float>& logits : {z, moved}) {
      const BatchSharpness found = centred_batch_sharpness(logits, targets, 1, 1, width, epsilons)[0];
      // Centred logits below 8 are rounded to 2^-21, and the pass is good to 1e-5.
      CHECK(found.all_tokens.mean_of_metrics == Approx(static_cast<double>(expected)).epsilon(2e-5));
    }
    published_before += batch_sharpness(z, targets, 1, 1, width, epsilons)[0].all_tokens.mean_of_metrics;
    published_after += batch_sharpness(moved, targets, 1, 1, width, epsilons)[0].all_tokens.mean_of_metrics;
  }
  CHECK(published_after > 50 * published_before);
}

TEST_CASE("masked logits stay out of the mean and masked; what is undefined stays so when centred") {
  const std::vector<float> z{1, -kInf, 3};
  std::vector<float> centred(z.size());
  centre_logits(z, centred);
  CHECK(centred == std::vector<float>{-1, -kInf, 1});
  const std::vector<double> epsilons{1e-3};
  for (const std::vector<float>& bad : {std::vector<float>{kNan, 0, 1}, std::vector<float>{kInf, 0, 1}})
    CHECK(std::isnan(
        centred_batch_sharpness(bad, std::vector<std::int64_t>{2}, 1, 1, 3, epsilons)[0].all_tokens.mean_of_metrics));
}

TEST_CASE("the order in which rows are observed changes no bit") {
  const Tokens t = random_tokens(3, 7, 130, 3);
  const LogitRows a = observe(t, kEpsilons), b = observe(t, kEpsilons, true);
  CHECK(a.mean_loss() == b.mean_loss());
  CHECK(a.statistics().log_z == b.statistics().log_z);
  CHECK(a.sharpness()[1].all_tokens.mean_of_metrics == b.sharpness()[1].all_tokens.mean_of_metrics);
  CHECK(a.sharpness()[1].last_token.metric_of_mean == b.sharpness()[1].last_token.metric_of_mean);
}

TEST_CASE("targets and rows that do not fit are broken contracts") {
  LogitRows rows(1, 1, 3, {});
  std::vector<float> e(3), z{1, 2, 3};
  CHECK_THROWS_AS(rows.observe(0, z, 3, e), ContractError);
  CHECK_THROWS_AS(rows.observe(0, std::vector<float>{1, 2}, 0, e), ContractError);
  CHECK_THROWS_AS(LogitRows(0, 1, 3, {}), ContractError);
}
