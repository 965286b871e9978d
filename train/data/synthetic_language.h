// SPDX-License-Identifier: Apache-2.0
// The embedded default data: a seeded random language over V symbols whose entropy rate is known exactly.
//   x_t = s(c_t, r_t):  r_t is drawn independently from a fixed Zipf-like distribution q over the ranks 0..V-1
//                       (q_r ~ 1/(r+1)^2), c_t is a function of the past tokens, s(c, .) a permutation of the symbols.
// Entropy: whatever the past is, it fixes c_t, and s(c_t, .) is one-to-one, so P(x_t = s(c_t, r) | past) = q_r and
// H(x_t | past) = H(q). By the chain rule H(x_1 .. x_n) = n H(q): the entropy rate is H(q) nats per token, exactly, for
// every choice of contexts. q consists of multiples of 2^-32, so that sampling by 32-bit words follows q exactly too.
// Contexts: each symbol a has a random permutation; what the token before is decides how the ranks are then re-ordered:
//   Last (40 % of the symbols)  not at all: a bigram table
//   Pair (35 %)                 the top 16 ranks are rotated by a turn that depends on (x_{t-2}, a)
//   Skip (15 %)                 the same with x_{t-8} in place of x_{t-2}
//   Echo (10 %)                 the symbol that followed the previous a, if one is among the last 32 tokens, becomes
//                               the top rank
// A turn is 4 coarse(b) + fine(b, a), b the earlier token: half a rule that holds for every a, half a table. Nothing
// looks like a parity, so learning is gradual: unigrams, bigrams, the rule, then thousands of pairs. A model whose
// window does not hold the tokens needed, as at the start of a sequence, stays above the floor there.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace precipice {

class SyntheticLanguage {
 public:
  static constexpr std::int64_t kMinVocabulary = 2;
  static constexpr std::int64_t kMaxVocabulary = 4096;  // the permutations take 2 V^2 bytes
  static constexpr std::size_t kMemory = 32;            // tokens of the past that decide the next one's distribution

  // Throws ConfigError when the vocabulary is out of range.
  SyntheticLanguage(std::int64_t vocabulary, std::int64_t seed);

  // The first `length` tokens: a longer stream begins with the shorter one.
  std::vector<std::uint16_t> generate(std::int64_t length) const;
  // H(q) in nats per token.
  double entropy_rate() const;
  // The exact distribution of the token after `past`, which is the whole stream so far or at least its last kMemory
  // tokens.
  std::vector<double> next_distribution(std::span<const std::uint16_t> past) const;

 private:
  enum class Kind : std::uint8_t { Last, Pair, Skip, Echo };
  // s(c, .): rank -> rotated within the top ranks -> `swap` exchanged with 0 -> the permutation of `last`.
  struct Context {
    std::size_t last = 0;
    std::size_t turn = 0;
    std::size_t swap = 0;
  };
  Context context_after(std::span<const std::uint16_t> past) const;
  std::uint16_t symbol(const Context& context, std::size_t rank) const;
  std::size_t turn(Kind kind, std::size_t earlier, std::size_t last) const;
  std::size_t base_rank(std::size_t last, std::uint16_t symbol) const;
  std::size_t draw_rank(std::uint32_t word) const;

  std::size_t vocabulary_;
  std::size_t top_;  // ranks that a turn rotates
  std::uint64_t seed_;
  std::vector<Kind> kinds_;                  // by last symbol
  std::vector<std::uint16_t> permutations_;  // row a: the symbols by rank after a
  std::vector<std::uint32_t> last_words_;    // by rank: the largest random word that draws it
};

}  // namespace precipice
