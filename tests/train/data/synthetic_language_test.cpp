// SPDX-License-Identifier: Apache-2.0
// The synthetic language against its definition: entropy and distributions are computed here from q_r ~ 1/(r+1)^2 and
// from counts over long samples, not from the generator's tables.
#include "train/data/synthetic_language.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <random>

#include "precision/base/check.h"
#include "tests/support/catch.h"

using namespace precipice;

namespace {

using Tokens = std::vector<std::uint16_t>;

std::vector<double> zipf(std::int64_t vocabulary) {
  std::vector<double> q;
  for (std::int64_t r = 1; r <= vocabulary; ++r) q.push_back(1.0 / static_cast<double>(r * r));
  const double total = std::accumulate(q.begin(), q.end(), 0.0);
  for (double& share : q) share /= total;
  return q;
}

double entropy(const std::vector<double>& p) {
  double sum = 0;
  for (const double share : p) sum -= share > 0 ? share * std::log(share) : 0;
  return sum;
}

// Variance of -log q(r): what one token adds to the variance of a sample's mean.
double surprise_variance(const std::vector<double>& q) {
  double square = 0;
  for (const double share : q) square += share * std::log(share) * std::log(share);
  return square - entropy(q) * entropy(q);
}

Tokens random_past(std::mt19937& random, std::int64_t vocabulary, std::size_t length) {
  Tokens past(length);
  for (auto& token : past) token = static_cast<std::uint16_t>(random() % static_cast<std::uint64_t>(vocabulary));
  return past;
}

// Loss in nats, on the last tenth of the stream, of an n-gram count model (order - 1 tokens of context; the next lower
// order counts as two observations) of the rest.
double count_model_loss(const Tokens& tokens, std::size_t vocabulary, std::size_t order) {
  const std::size_t split = tokens.size() / 10 * 9;
  std::vector<std::map<std::uint64_t, double>> counts(order + 1), totals(order + 1);
  const auto context_of = [&](std::size_t t, std::size_t n) {
    std::uint64_t key = 0;
    for (std::size_t lag = 1; lag < n; ++lag) key = key * vocabulary + tokens[t - lag];
    return key;
  };
  for (std::size_t t = order; t < split; ++t)
    for (std::size_t n = 1; n <= order; ++n) {
      counts[n][context_of(t, n) * vocabulary + tokens[t]] += 1;
      totals[n][context_of(t, n)] += 1;
    }
  double loss = 0;
  for (std::size_t t = split; t < tokens.size(); ++t) {
    double p = 1.0 / static_cast<double>(vocabulary);
    for (std::size_t n = 1; n <= order; ++n) {
      const auto total = totals[n].find(context_of(t, n));
      const auto count = counts[n].find(context_of(t, n) * vocabulary + tokens[t]);
      const double smoothing = 2.0;
      p = ((count == counts[n].end() ? 0 : count->second) + smoothing * p) /
          ((total == totals[n].end() ? 0 : total->second) + smoothing);
    }
    loss -= std::log(p);
  }
  return loss / static_cast<double>(tokens.size() - split);
}

// Whether the distribution after a past that ends in `last` depends on the token `lag` places before the next one.
bool depends_on(const SyntheticLanguage& language, std::uint16_t last, std::size_t lag) {
  std::mt19937 random(lag);
  for (int trial = 0; trial < 40; ++trial) {
    Tokens past = random_past(random, 64, 40);
    // No earlier `last`, so that an echo cannot hide or mimic the dependence.
    for (auto& token : past) token = token == last ? (last + 1) % 64 : token;
    past.back() = last;
    const auto before = language.next_distribution(past);
    auto& changed = past[past.size() - lag];
    do changed = (changed + 1) % 64;
    while (changed == last);
    if (language.next_distribution(past) != before) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("the entropy rate is H(q) of q ~ 1/(r+1)^2", "[synthetic]") {
  for (const std::int64_t vocabulary : {2, 3, 16, 64, 1000, 4096}) {
    // Truncation to multiples of 2^-32 moves V shares by less than 2^-32 each; |d(-q ln q)/dq| <= 1 + 32 ln 2 < 24.
    const double tolerance = 2 * 24.0 * static_cast<double>(vocabulary) / 4294967296.0;
    CHECK(std::abs(SyntheticLanguage(vocabulary, 3).entropy_rate() - entropy(zipf(vocabulary))) < tolerance);
  }
  CHECK(SyntheticLanguage(64, 0).entropy_rate() == Approx(1.5407).margin(5e-5));
}

TEST_CASE("after any past the next token's distribution is a permutation of q", "[synthetic]") {
  std::mt19937 random(1);
  for (const std::int64_t vocabulary : {2, 5, 64, 300}) {
    const SyntheticLanguage language(vocabulary, 11);
    std::vector<double> sorted_q = zipf(vocabulary);
    std::sort(sorted_q.begin(), sorted_q.end());
    for (int trial = 0; trial < 300; ++trial) {
      std::vector<double> p = language.next_distribution(random_past(random, vocabulary, random() % 50));
      CHECK(std::accumulate(p.begin(), p.end(), 0.0) == 1.0);  // multiples of 2^-32: the sum is exact
      CHECK(entropy(p) == Approx(language.entropy_rate()).epsilon(1e-12));
      std::sort(p.begin(), p.end());
      double furthest = 0;
      for (std::size_t r = 0; r < p.size(); ++r) furthest = std::max(furthest, std::abs(p[r] - sorted_q[r]));
      CHECK(furthest < static_cast<double>(vocabulary) / 4294967296.0);
    }
  }
}

TEST_CASE("the mean -log p of a long sample is the entropy rate within 5 sigma", "[synthetic]") {
  for (const auto& [vocabulary, seed] : {std::pair<std::int64_t, std::int64_t>{64, 0}, {64, 5}, {2, 1}, {512, 2}}) {
    const SyntheticLanguage language(vocabulary, seed);
    const Tokens tokens = language.generate(100'000);
    double sum = 0;
    for (std::size_t t = 0; t < tokens.size(); ++t) {
      const std::size_t memory = std::min(t, SyntheticLanguage::kMemory);
      sum -= std::log(language.next_distribution(std::span(tokens).subspan(t - memory, memory))[tokens[t]]);
    }
    const double n = static_cast<double>(tokens.size());
    const double sigma = std::sqrt(surprise_variance(zipf(vocabulary)) / n);
    INFO("V " << vocabulary << " mean " << sum / n << " sigma " << sigma);
    CHECK(std::abs(sum / n - language.entropy_rate()) < 5 * sigma);
  }
}

TEST_CASE("counted over symbols whose context is the last token alone, the conditional entropy is H(q)",
          "[synthetic]") {
  const SyntheticLanguage language(64, 0);
  const Tokens tokens = language.generate(1'000'000);
  std::vector<std::vector<double>> counts(64, std::vector<double>(64));
  for (std::size_t t = 1; t < tokens.size(); ++t) counts[tokens[t - 1]][tokens[t]] += 1;

  double nats = 0, total = 0;
  for (std::uint16_t last = 0; last < 64; ++last) {
    if (depends_on(language, last, 2) || depends_on(language, last, 8)) continue;
    const double n = std::accumulate(counts[last].begin(), counts[last].end(), 0.0);
    std::vector<double> p;
    for (const double count : counts[last]) p.push_back(count / n);
    // An echo's top rank varies: its counts are flatter than q.
    if (entropy(p) > language.entropy_rate() + 0.2) continue;
    const auto seen = static_cast<double>(std::count_if(p.begin(), p.end(), [](double share) { return share > 0; }));
    nats += n * entropy(p) + (seen - 1) / 2;  // Miller-Madow: plug-in entropy is low by (cells - 1) / 2n
    total += n;
  }
  CHECK(total > 0.25 * static_cast<double>(tokens.size()));
  const double sigma = std::sqrt(surprise_variance(zipf(64)) / total);
  CHECK(std::abs(nats / total - language.entropy_rate()) < 5 * sigma);
}

TEST_CASE("the last token decides whether the 2nd or the 8th last, or nothing else, matters", "[synthetic]") {
  const SyntheticLanguage language(64, 0);
  int second = 0, eighth = 0, both = 0, others = 0;
  for (std::uint16_t last = 0; last < 64; ++last) {
    const bool on_second = depends_on(language, last, 2), on_eighth = depends_on(language, last, 8);
    second += on_second;
    eighth += on_eighth;
    both += on_second && on_eighth;
    for (const std::size_t lag : {3, 7, 9, 16, 32, 40}) others += depends_on(language, last, lag);
  }
  // 35 % and 15 % of 64 symbols, cut at whole percents of the position: 22.4 and 9.6, each within 1.
  CHECK(std::abs(second - 22.4) < 1.0);
  CHECK(std::abs(eighth - 9.6) < 1.0);
  CHECK(both == 0);
  CHECK(others == 0);
}

TEST_CASE("after an echo symbol the one that followed it last, within 32 tokens, is the most probable", "[synthetic]") {
  const SyntheticLanguage language(64, 0);
  const auto most_probable = [&](const Tokens& past) {
    const auto p = language.next_distribution(past);
    return static_cast<std::uint16_t>(std::max_element(p.begin(), p.end()) - p.begin());
  };
  int echoes = 0;
  for (std::uint16_t last = 0; last < 64; ++last) {
    const std::uint16_t filler = (last + 1) % 64;
    const auto past_with = [&](std::uint16_t follower, std::size_t lag) {
      Tokens past(50, filler);
      past.back() = last;
      past[past.size() - lag] = last;
      past[past.size() - lag + 1] = follower;
      return past;
    };
    int recalled = 0, recalled_at_32 = 0, recalled_at_33 = 0;
    for (std::uint16_t follower = 0; follower < 64; ++follower) {
      if (follower == last) continue;
      recalled += most_probable(past_with(follower, 5)) == follower;
      recalled_at_32 += most_probable(past_with(follower, 32)) == follower;
      recalled_at_33 += most_probable(past_with(follower, 33)) == follower;
    }
    CHECK(recalled_at_33 <= 1);  // the one that is on top anyway
    if (recalled < 63) continue;
    CHECK(recalled_at_32 == 63);
    ++echoes;
  }
  CHECK(std::abs(echoes - 6.4) < 1.0);
}

TEST_CASE("count models of higher order do better, and none reaches the floor", "[synthetic]") {
  const SyntheticLanguage language(64, 0);
  const Tokens tokens = language.generate(600'000);
  const double unigram = count_model_loss(tokens, 64, 1);
  const double bigram = count_model_loss(tokens, 64, 2);
  const double trigram = count_model_loss(tokens, 64, 3);
  INFO("unigram " << unigram << " bigram " << bigram << " trigram " << trigram);
  CHECK(unigram > bigram + 1.5);
  CHECK(bigram > trigram + 0.2);
  CHECK(trigram > language.entropy_rate() + 0.1);
}

TEST_CASE("every symbol is used and none dominates", "[synthetic]") {
  for (const std::int64_t seed : {0, 1, 2, 3, 4, 5, 6, 7}) {
    const Tokens tokens = SyntheticLanguage(64, seed).generate(100'000);
    std::vector<int> counts(64);
    for (const auto token : tokens) ++counts.at(token);
    CHECK(*std::min_element(counts.begin(), counts.end()) > 100);
    CHECK(*std::max_element(counts.begin(), counts.end()) < 15'000);
  }
}

TEST_CASE("the first tokens of a language never change", "[synthetic]") {
  CHECK(SyntheticLanguage(64, 0).generate(24) ==
        Tokens{38, 42, 21, 24, 56, 7, 29, 46, 48, 4, 19, 63, 4, 2, 62, 46, 40, 30, 25, 23, 32, 51, 47, 63});
  CHECK(SyntheticLanguage(64, 1).generate(12) == Tokens{23, 29, 3, 21, 38, 9, 11, 45, 44, 1, 37, 13});
  CHECK(SyntheticLanguage(2, 0).generate(16) == Tokens{1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 0, 0, 1, 1, 0, 0});
  CHECK(SyntheticLanguage(4096, 7).generate(6) == Tokens{1247, 210, 2531, 1743, 1159, 3441});
}

TEST_CASE("tokens are a pure function of vocabulary and seed, and a longer stream begins with a shorter",
          "[synthetic]") {
  const SyntheticLanguage language(64, 42);
  const Tokens tokens = language.generate(5000);
  CHECK(SyntheticLanguage(64, 42).generate(5000) == tokens);
  CHECK(language.generate(777) == Tokens(tokens.begin(), tokens.begin() + 777));
  CHECK(language.generate(0).empty());
  CHECK(SyntheticLanguage(64, 43).generate(5000) != tokens);
}

TEST_CASE("2 to 4096 symbols are accepted, other vocabularies are named", "[synthetic]") {
  CHECK_NOTHROW(SyntheticLanguage(2, 0));
  CHECK_NOTHROW(SyntheticLanguage(4096, 0));
  for (const std::int64_t vocabulary : {-1, 0, 1, 4097, 1'000'000}) {
    try {
      SyntheticLanguage(vocabulary, 0);
      FAIL("accepted");
    } catch (const ConfigError& error) {
      CHECK(error.where().key == "data.vocabulary");
      CHECK(error.problem() == "the synthetic language has 2 to 4096 symbols");
    }
  }
}
