// SPDX-License-Identifier: Apache-2.0
#include "train/data/zipf_language.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>

#include "precision/base/check.h"
#include "precision/rounding/random_streams.h"

namespace precipice {
namespace {

// Steps of kLanguageStream, behind those of the other language.
enum ZipfStream : std::uint32_t { kDealStream = 5, kDrawStream };

constexpr double kWhole = 4294967296.0;
constexpr double kNear = 0.5, kFarShare = 0.25, kFresh = 0.25;

// p_r ~ 1 / (r + 1) in units of 2^-32, at least one each; what truncation leaves over goes to symbol 0.
std::vector<std::uint64_t> zipf_weights(std::size_t vocabulary) {
  double total = 0;
  for (std::size_t r = 0; r < vocabulary; ++r) total += 1.0 / static_cast<double>(r + 1);
  std::vector<std::uint64_t> weights(vocabulary);
  std::uint64_t rest = std::uint64_t{1} << 32;
  for (std::size_t r = vocabulary; r-- > 1;) {
    weights[r] = static_cast<std::uint64_t>(kWhole / (static_cast<double>(r + 1) * total));
    rest -= weights[r];
  }
  weights[0] = rest;
  return weights;
}

// 2^floor(log2(V) / parts): 8 classes in 2 groups of 64 symbols, 64 in 8 of 4096.
std::size_t share_of(std::size_t vocabulary, int parts) {
  return std::size_t{1} << ((std::bit_width(vocabulary) - 1) / parts);
}

// rho_d for d = 0 .. kFar - 1, from 1 downwards to the fixed point: each round's error is at most 3/4 of the last one's.
std::vector<double> common_origins() {
  std::vector<double> rho(ZipfLanguage::kFar, 1.0);
  for (int round = 0; round < 200; ++round)
    for (std::size_t d = 1; d < rho.size(); ++d) rho[d] = kNear * rho[d - 1] + kFarShare * rho[ZipfLanguage::kFar - d];
  return rho;
}

double x_log_x(double x) {
  return x > 0 ? x * std::log(x) : 0;
}

}  // namespace

void ZipfLanguage::Pool::add(std::uint16_t symbol, std::uint64_t weight) {
  symbols.push_back(symbol);
  sums.push_back((sums.empty() ? 0 : sums.back()) + weight);
}

std::uint16_t ZipfLanguage::Pool::draw(std::uint64_t word) const {
  const auto place = static_cast<std::uint64_t>((static_cast<unsigned __int128>(word) * sums.back()) >> 64);
  return symbols[static_cast<std::size_t>(std::upper_bound(sums.begin(), sums.end(), place) - sums.begin())];
}

ZipfLanguage::ZipfLanguage(std::int64_t vocabulary, std::int64_t seed) : seed_(static_cast<std::uint64_t>(seed)) {
  if (vocabulary < kMinVocabulary || vocabulary > kMaxVocabulary)
    throw ConfigError({"", 0, "data.vocabulary", std::to_string(vocabulary)},
                      join_parts("the Zipf language has ", kMinVocabulary, " to ", kMaxVocabulary, " symbols"));
  const auto size = static_cast<std::size_t>(vocabulary);
  weights_ = zipf_weights(size);
  class_weights_.resize(share_of(size, 2));
  group_weights_.resize(share_of(size, 4));
  class_pools_.resize(classes());
  group_pools_.resize(groups());
  class_of_.resize(size);

  // Neighbours in frequency go to different classes: of each run of as many symbols as there are classes, every class
  // gets one.
  std::vector<std::size_t> deal(classes());
  for (std::size_t r = 0; r < size; ++r) {
    if (r % classes() == 0) {
      std::iota(deal.begin(), deal.end(), std::size_t{0});
      const RandomKey key = random_key(kLanguageStream, seed_, kDealStream);
      for (std::size_t i = 0; i + 1 < deal.size(); ++i)
        std::swap(deal[i], deal[i + ((std::uint64_t{random_word(key, r + i)} * (deal.size() - i)) >> 32)]);
    }
    const auto symbol = static_cast<std::uint16_t>(r);
    class_of_[r] = deal[r % classes()];
    all_.add(symbol, weights_[r]);
    class_pools_[class_of_[r]].add(symbol, weights_[r]);
    group_pools_[group_of(symbol)].add(symbol, weights_[r]);
    class_weights_[class_of_[r]] += weights_[r];
    group_weights_[group_of(symbol)] += weights_[r];
  }
}

std::vector<std::uint16_t> ZipfLanguage::generate(std::int64_t length) const {
  PRECIPICE_CHECK(length >= 0, "length ", length);
  std::vector<std::uint16_t> tokens(static_cast<std::size_t>(length));
  const RandomKey key = random_key(kLanguageStream, seed_, kDrawStream);
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    const Philox4 block = random_block(key, t);
    const std::uint64_t word = std::uint64_t{block.word[1]} << 32 | block.word[2];
    const std::uint32_t choice = block.word[0] >> 30;  // 0, 1: near; 2: far; 3: fresh
    const Pool* pool = &all_;
    if (choice < 2 && t >= 1) pool = &class_pools_[class_of(tokens[t - 1])];
    if (choice == 2 && t >= kFar) pool = &group_pools_[group_of(tokens[t - kFar])];
    tokens[t] = pool->draw(word);
  }
  return tokens;
}

std::vector<double> ZipfLanguage::next_distribution(std::span<const std::uint16_t> past) const {
  std::vector<double> distribution(weights_.size());
  for (std::size_t r = 0; r < weights_.size(); ++r) {
    const auto symbol = static_cast<std::uint16_t>(r);
    double factor = kFresh;
    if (past.empty()) {
      factor += kNear;
    } else if (const std::size_t near = class_of(past.back()); class_of(symbol) == near) {
      factor += kNear * kWhole / static_cast<double>(class_weights_[near]);
    }
    if (past.size() < kFar) {
      factor += kFarShare;
    } else if (const std::size_t far = group_of(past[past.size() - kFar]); group_of(symbol) == far) {
      factor += kFarShare * kWhole / static_cast<double>(group_weights_[far]);
    }
    distribution[r] = factor * static_cast<double>(weights_[r]) / kWhole;
  }
  return distribution;
}

double ZipfLanguage::unigram_entropy() const {
  double entropy = 0;
  for (const std::uint64_t weight : weights_) entropy -= x_log_x(static_cast<double>(weight) / kWhole);
  return entropy;
}

// The distribution given k and g is p times a factor that is the same for all symbols of a class, so of every class are
// needed its probability P and S = sum p log p: with a factor f, sum f p log(f p) = f S + P f log f.
double ZipfLanguage::entropy_rate() const {
  std::vector<double> probability(classes()), logs(classes());
  for (std::size_t r = 0; r < weights_.size(); ++r) {
    const double p = static_cast<double>(weights_[r]) / kWhole;
    probability[class_of_[r]] += p;
    logs[class_of_[r]] += x_log_x(p);
  }
  const double rho = common_origins().back();
  double rate = 0;
  for (std::size_t near = 0; near < classes(); ++near)
    for (std::size_t far = 0; far < groups(); ++far) {
      const double group = static_cast<double>(group_weights_[far]) / kWhole;
      const double joint = probability[near] * (rho * (near % groups() == far ? 1 : 0) + (1 - rho) * group);
      double entropy = 0;
      for (std::size_t k = 0; k < classes(); ++k) {
        const double factor =
            kFresh + (k == near ? kNear / probability[near] : 0) + (k % groups() == far ? kFarShare / group : 0);
        entropy -= factor * logs[k] + probability[k] * x_log_x(factor);
      }
      rate += joint * entropy;
    }
  return rate;
}

}  // namespace precipice
