// SPDX-License-Identifier: Apache-2.0
// A random language with a heavy tail: most symbols are rare, as words are, and the entropies are known exactly.
//   Unigrams:  p_r ~ 1 / (r + 1) over the symbols r = 0 .. V-1 (Zipf 1949), in multiples of 2^-32.
//   States:    the symbols are dealt out to classes, and the classes to groups; every class has frequent and rare ones.
//   x_t:       with probability 1/2 drawn from p within the class of x_{t-1}; with 1/4 within the group of x_{t-8}; with
//              1/4 from p itself (as is what would need a token before the first one).
// Unigram entropy: a draw from p within the class (group) of a token that has the distribution p has the distribution p.
// So every x_t has, and the unigram entropy of the language is H(p).
// Entropy rate: the past decides through the class k of x_{t-1} and the group g of x_{t-8} alone, so that
// H(x_t | past) = sum_{k,g} J(k, g) H(x_t | k, g). Every token's group is copied from an earlier token's or drawn anew,
// whatever it is, hence two tokens d apart have one origin, and so one group, with a probability rho_d, and independent
// ones otherwise: with pi(k) and Pi(g) the probabilities of classes and groups under p,
//   J(k, g) = pi(k) (rho_7 [k in g] + (1 - rho_7) Pi(g)),   rho_0 = 1,   rho_d = rho_{d-1} / 2 + rho_{|8-d|} / 4
// (the Yule-Walker equations of an autoregression; Yule 1927), which are solved here. All of this but the first few
// tokens, whose past is shorter and whose entropy is higher.
// Draws are by 64-bit words: no probability is off by more than 2^-32 of itself.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace precipice {

class ZipfLanguage {
 public:
  static constexpr std::int64_t kMinVocabulary = 2;
  static constexpr std::int64_t kMaxVocabulary = 65536;  // tokens have 16 bits
  static constexpr std::size_t kFar = 8;                 // lag of the token whose group counts

  // Throws ConfigError when the vocabulary is out of range.
  ZipfLanguage(std::int64_t vocabulary, std::int64_t seed);

  // The first `length` tokens: a longer stream begins with the shorter one.
  std::vector<std::uint16_t> generate(std::int64_t length) const;
  // In nats per token.
  double unigram_entropy() const;
  double entropy_rate() const;
  // The exact distribution of the token after `past`, of which the last kFar tokens count.
  std::vector<double> next_distribution(std::span<const std::uint16_t> past) const;

  std::size_t classes() const { return class_weights_.size(); }
  std::size_t groups() const { return group_weights_.size(); }
  std::size_t class_of(std::uint16_t symbol) const { return class_of_[symbol]; }
  std::size_t group_of(std::uint16_t symbol) const { return class_of_[symbol] % group_weights_.size(); }

 private:
  // Symbols that are drawn from together, and their weights' sums up to and with each.
  struct Pool {
    std::vector<std::uint16_t> symbols;
    std::vector<std::uint64_t> sums;
    void add(std::uint16_t symbol, std::uint64_t weight);
    std::uint16_t draw(std::uint64_t word) const;
  };

  std::vector<std::uint64_t> weights_;  // by symbol, in units of 2^-32
  std::vector<std::size_t> class_of_;   // by symbol; class k is in group k % groups
  std::vector<std::uint64_t> class_weights_, group_weights_;
  Pool all_;
  std::vector<Pool> class_pools_, group_pools_;
  std::uint64_t seed_;
};

}  // namespace precipice
