// SPDX-License-Identifier: Apache-2.0
// The Zipf language against its definition: shares and entropies are computed here from 1 / (r + 1), from counts over
// samples, and from the chain of the states of eight tokens by iteration.
#include "train/data/zipf_language.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "precision/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/tiny_run.h"
#include "train/data/open_tokens.h"

using namespace precipice;

namespace {

using ZipfTokens = std::vector<std::uint16_t>;

std::vector<double> zipf_shares(std::int64_t vocabulary) {
  std::vector<double> p;
  for (std::int64_t r = 1; r <= vocabulary; ++r) p.push_back(1.0 / static_cast<double>(r));
  const double total = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& share : p) share /= total;
  return p;
}

double nats_of(const std::vector<double>& p) {
  double sum = 0;
  for (const double share : p) sum -= share > 0 ? share * std::log(share) : 0;
  return sum;
}

// Some symbol of a class or of a group.
template <class Is>
std::uint16_t symbol_where(const Is& is) {
  for (std::uint16_t symbol = 0;; ++symbol)
    if (is(symbol)) return symbol;
}

// The entropy rate from next_distribution: the chain whose states are the class of the last token and the groups of the
// seven before it, from its stationary distribution by repeated steps.
double rate_of_chain(const ZipfLanguage& language) {
  const std::size_t classes = language.classes(), groups = language.groups();
  std::size_t pasts = 1;
  for (std::size_t i = 1; i < ZipfLanguage::kFar; ++i) pasts *= groups;
  // State: class of the last token times `pasts`, and the groups, that of the token before the last as the lowest digit.
  std::vector<double> share(classes * pasts, 1.0 / static_cast<double>(classes * pasts));
  std::vector<std::vector<double>> to_class(share.size(), std::vector<double>(classes));
  std::vector<double> entropies;
  for (std::size_t state = 0; state < share.size(); ++state) {
    ZipfTokens past(ZipfLanguage::kFar);
    past.back() = symbol_where([&](std::uint16_t x) { return language.class_of(x) == state / pasts; });
    std::size_t left = state % pasts;
    for (std::size_t lag = 2; lag <= ZipfLanguage::kFar; ++lag, left /= groups)
      past[past.size() - lag] = symbol_where([&](std::uint16_t x) { return language.group_of(x) == left % groups; });
    const std::vector<double> next = language.next_distribution(past);
    for (std::size_t x = 0; x < next.size(); ++x)
      to_class[state][language.class_of(static_cast<std::uint16_t>(x))] += next[x];
    entropies.push_back(nats_of(next));
  }
  for (int round = 0; round < 300; ++round) {
    std::vector<double> after(share.size());
    for (std::size_t state = 0; state < share.size(); ++state) {
      const std::size_t last_group = state / pasts % groups;
      const std::size_t groups_then = (state % pasts * groups + last_group) % pasts;
      for (std::size_t k = 0; k < classes; ++k) after[k * pasts + groups_then] += share[state] * to_class[state][k];
    }
    share = std::move(after);
  }
  return std::inner_product(share.begin(), share.end(), entropies.begin(), 0.0);
}

}  // namespace

TEST_CASE("the unigram entropy is that of shares 1 / (r + 1)", "[zipf]") {
  for (const std::int64_t vocabulary : {2, 3, 64, 1000, 65536}) {
    // Cutting V shares to multiples of 2^-32 moves the sum of -p log p by at most 24 * 2^-32 each (|log p| + 1 < 24).
    const double tolerance = 2 * 24.0 * static_cast<double>(vocabulary) / 4294967296.0;
    CHECK(std::abs(ZipfLanguage(vocabulary, 1).unigram_entropy() - nats_of(zipf_shares(vocabulary))) < tolerance);
  }
}

TEST_CASE("the entropy rate is that of the chain of classes and groups of eight tokens", "[zipf]") {
  // One class; two classes in a group; four classes in two groups, of several dealings; eight in two.
  for (const auto& [vocabulary, seed] :
       {std::pair<std::int64_t, std::int64_t>{3, 0}, {5, 4}, {16, 0}, {21, 3}, {30, 7}, {64, 1}}) {
    const ZipfLanguage language(vocabulary, seed);
    INFO(vocabulary << " symbols, " << language.classes() << " classes, " << language.groups() << " groups");
    // The chain forgets by a factor of at least 3/4 in eight steps: (3/4)^37 = 2e-5 of a deviation of 0.01 at the most.
    CHECK(language.entropy_rate() == Approx(rate_of_chain(language)).epsilon(1e-6));
  }
}

TEST_CASE("over a long sample the mean -log p is the entropy rate, and the shares are Zipf's", "[zipf]") {
  for (const auto& [vocabulary, seed] : {std::pair<std::int64_t, std::int64_t>{64, 0}, {300, 5}, {16, 1}}) {
    const ZipfLanguage language(vocabulary, seed);
    const ZipfTokens tokens = language.generate(60'000);
    std::vector<double> surprises, counts(static_cast<std::size_t>(vocabulary));
    for (std::size_t t = 8; t < tokens.size(); ++t) {
      const std::vector<double> p = language.next_distribution(std::span(tokens).subspan(t - 8, 8));
      surprises.push_back(-std::log(p[tokens[t]]));
      counts[tokens[t]] += 1;
    }
    const auto n = static_cast<double>(surprises.size());
    const double mean = std::accumulate(surprises.begin(), surprises.end(), 0.0) / n;
    double square = 0;
    for (const double s : surprises) square += (s - mean) * (s - mean);
    INFO(vocabulary << " symbols: " << mean << " and " << language.entropy_rate());
    // Surprises less their conditional means are uncorrelated; the conditional means vary less than the surprises and
    // over some ten tokens: five deviations with room for a factor of three.
    CHECK(std::abs(mean - language.entropy_rate()) < 15 * std::sqrt(square) / n);
    const std::vector<double> shares = zipf_shares(vocabulary);
    // A symbol's draws come in bursts through its class: variance at most about ten times the binomial's.
    for (std::size_t r = 0; r < shares.size(); ++r)
      CHECK(std::abs(counts[r] / n - shares[r]) < 5 * std::sqrt(10 * shares[r] / n) + 1 / n);
    CHECK(language.entropy_rate() < language.unigram_entropy() - 0.1);
  }
}

TEST_CASE("a distribution sums to one and depends on the classes of the last token and of the eighth last", "[zipf]") {
  const ZipfLanguage language(64, 0);
  CHECK(language.classes() == 8);
  CHECK(language.groups() == 2);
  ZipfTokens past = language.generate(20);
  const std::vector<double> before = language.next_distribution(past);
  CHECK(std::accumulate(before.begin(), before.end(), 0.0) == Approx(1).epsilon(1e-12));
  for (std::size_t lag = 1; lag <= 9; ++lag) {
    ZipfTokens changed = past;
    std::uint16_t& token = changed[past.size() - lag];
    const std::size_t group = language.group_of(token);
    while (language.group_of(token) == group) token = static_cast<std::uint16_t>((token + 1) % 64);
    CHECK((language.next_distribution(changed) != before) == (lag == 1 || lag == 8));
  }
  // Every class has frequent and rare symbols: one of each eight in the order of frequency.
  for (std::uint16_t first = 0; first < 64; first += 8) {
    std::vector<std::size_t> seen;
    for (std::uint16_t r = first; r < first + 8; ++r) seen.push_back(language.class_of(r));
    std::sort(seen.begin(), seen.end());
    CHECK(std::adjacent_find(seen.begin(), seen.end()) == seen.end());
  }
}

TEST_CASE("a stream is a function of vocabulary and seed, and a longer one begins with the shorter one", "[zipf]") {
  const ZipfLanguage language(100, 3);
  const ZipfTokens shorter = language.generate(1000), longer = language.generate(3000);
  CHECK(std::equal(shorter.begin(), shorter.end(), longer.begin()));
  CHECK(ZipfLanguage(100, 3).generate(1000) == shorter);
  CHECK(ZipfLanguage(100, 4).generate(1000) != shorter);
  CHECK_THROWS_AS(ZipfLanguage(65537, 0), ConfigError);
  CHECK_THROWS_AS(ZipfLanguage(1, 0), ConfigError);
}

TEST_CASE("a run's data of this kind know their floors", "[zipf]") {
  const RunConfig config = test::tiny_config({"data.source=zipf", "data.vocabulary=300"});
  const auto tokens = open_tokens(config);
  const ZipfLanguage language(300, 0);
  CHECK(tokens->entropy_floor() == language.entropy_rate());
  CHECK(tokens->unigram_entropy() == language.unigram_entropy());
  CHECK(tokens->vocabulary() == 300);
  CHECK_THROWS_WITH(test::tiny_config({"data.source=zipf", "data.vocabulary=70000"}), Catch::Contains("65536"));
  CHECK_THROWS_WITH(test::tiny_config({"data.source=zipf", "data.path=x"}), Catch::Contains("reads no file"));
}
