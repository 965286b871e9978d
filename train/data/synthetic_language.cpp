// SPDX-License-Identifier: Apache-2.0
#include "train/data/synthetic_language.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "precision/base/check.h"
#include "precision/rounding/random_streams.h"

namespace precipice {
namespace {

// Steps of kLanguageStream.
enum Stream : std::uint32_t { kKindStream, kPermutationStream, kCoarseStream, kFineStream, kRankStream };

constexpr std::size_t kTopRanks = 16;
constexpr std::size_t kSkip = 8;  // lag of the long-range contexts
constexpr double kTwo32 = 4294967296.0;

RandomKey stream_key(std::uint64_t seed, std::uint32_t stream, std::size_t kind = 0) {
  return random_key(kLanguageStream, seed, stream, 0, kind);
}

// Fisher-Yates with words first, first + 1, ... of the key's stream.
template <class T>
void shuffle(std::span<T> items, const RandomKey& key, std::uint64_t first) {
  Philox4 block{};
  for (std::size_t i = 0; i + 1 < items.size(); ++i) {
    const std::uint64_t element = first + i;
    if (i == 0 || element % 4 == 0) block = random_block(key, element / 4);
    const std::uint64_t left = items.size() - i;
    std::swap(items[i], items[i + ((block.word[element % 4] * left) >> 32)]);
  }
}

// Largest word of each rank, for q_r ~ 1/(r+1)^2 in units of 2^-32; what truncation leaves over goes to rank 0.
std::vector<std::uint32_t> rank_words(std::size_t vocabulary) {
  std::vector<double> shares(vocabulary);
  for (std::size_t r = 0; r < vocabulary; ++r) shares[r] = 1.0 / static_cast<double>((r + 1) * (r + 1));
  const double total = std::accumulate(shares.begin(), shares.end(), 0.0);
  std::vector<std::uint32_t> words(vocabulary);
  std::uint64_t end = std::uint64_t{1} << 32;
  for (std::size_t r = vocabulary; r-- > 0;) {
    words[r] = static_cast<std::uint32_t>(end - 1);
    end -= static_cast<std::uint64_t>(kTwo32 * shares[r] / total);
  }
  return words;
}

}  // namespace

SyntheticLanguage::SyntheticLanguage(std::int64_t vocabulary, std::int64_t seed)
    : vocabulary_(static_cast<std::size_t>(vocabulary)), seed_(static_cast<std::uint64_t>(seed)) {
  if (vocabulary < kMinVocabulary || vocabulary > kMaxVocabulary)
    throw ConfigError({"", 0, "data.vocabulary", std::to_string(vocabulary)},
                      join_parts("the synthetic language has ", kMinVocabulary, " to ", kMaxVocabulary, " symbols"));
  top_ = std::min(kTopRanks, vocabulary_);
  last_words_ = rank_words(vocabulary_);

  kinds_.resize(vocabulary_);
  for (std::size_t i = 0; i < vocabulary_; ++i) {
    const std::size_t percent = 100 * i / vocabulary_;
    kinds_[i] = percent < 40 ? Kind::Last : percent < 75 ? Kind::Pair : percent < 90 ? Kind::Skip : Kind::Echo;
  }
  shuffle(std::span(kinds_), stream_key(seed_, kKindStream), 0);

  permutations_.resize(vocabulary_ * vocabulary_);
  for (std::size_t a = 0; a < vocabulary_; ++a) {
    const std::span row(permutations_.data() + a * vocabulary_, vocabulary_);
    std::iota(row.begin(), row.end(), std::uint16_t{0});
    shuffle(row, stream_key(seed_, kPermutationStream), a * vocabulary_);
  }
}

std::size_t SyntheticLanguage::turn(Kind kind, std::size_t earlier, std::size_t last) const {
  const auto operand = static_cast<std::size_t>(kind);
  const std::uint32_t coarse = random_word(stream_key(seed_, kCoarseStream, operand), earlier) >> 30;
  const std::uint32_t fine = random_word(stream_key(seed_, kFineStream, operand), earlier * vocabulary_ + last) >> 30;
  return (4 * coarse + fine) % top_;
}

std::size_t SyntheticLanguage::base_rank(std::size_t last, std::uint16_t symbol) const {
  const auto row = permutations_.begin() + static_cast<std::ptrdiff_t>(last * vocabulary_);
  return static_cast<std::size_t>(std::find(row, row + static_cast<std::ptrdiff_t>(vocabulary_), symbol) - row);
}

// Before the stream begins, symbol 0 stands for the tokens that are missing; an echo has none.
SyntheticLanguage::Context SyntheticLanguage::context_after(std::span<const std::uint16_t> past) const {
  const auto back = [&](std::size_t lag) -> std::size_t { return lag <= past.size() ? past[past.size() - lag] : 0; };
  Context context{.last = back(1)};
  switch (kinds_[context.last]) {
    case Kind::Last:
      break;
    case Kind::Pair:
      context.turn = turn(Kind::Pair, back(2), context.last);
      break;
    case Kind::Skip:
      context.turn = turn(Kind::Skip, back(kSkip), context.last);
      break;
    case Kind::Echo:
      for (std::size_t lag = 2; lag <= std::min(kMemory, past.size()); ++lag) {
        if (back(lag) != context.last) continue;
        context.swap = base_rank(context.last, static_cast<std::uint16_t>(back(lag - 1)));
        break;
      }
      break;
  }
  return context;
}

std::uint16_t SyntheticLanguage::symbol(const Context& context, std::size_t rank) const {
  if (rank < top_) rank = (rank + context.turn) % top_;
  if (rank == 0)
    rank = context.swap;
  else if (rank == context.swap)
    rank = 0;
  return permutations_[context.last * vocabulary_ + rank];
}

std::size_t SyntheticLanguage::draw_rank(std::uint32_t word) const {
  std::size_t rank = 0;
  while (word > last_words_[rank]) ++rank;
  return rank;
}

std::vector<std::uint16_t> SyntheticLanguage::generate(std::int64_t length) const {
  PRECIPICE_CHECK(length >= 0, "length ", length);
  std::vector<std::uint16_t> tokens(static_cast<std::size_t>(length));
  const RandomKey key = stream_key(seed_, kRankStream);
  Philox4 block{};
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    if (t % 4 == 0) block = random_block(key, t / 4);
    tokens[t] = symbol(context_after(std::span(tokens.data(), t)), draw_rank(block.word[t % 4]));
  }
  return tokens;
}

std::vector<double> SyntheticLanguage::next_distribution(std::span<const std::uint16_t> past) const {
  const Context context = context_after(past);
  std::vector<double> distribution(vocabulary_);
  double below = 0;
  for (std::size_t rank = 0; rank < vocabulary_; ++rank) {
    const double up_to = last_words_[rank] + 1.0;
    distribution[symbol(context, rank)] = (up_to - below) / kTwo32;
    below = up_to;
  }
  return distribution;
}

double SyntheticLanguage::entropy_rate() const {
  double entropy = 0;
  for (const double q : next_distribution({}))
    if (q > 0) entropy -= q * std::log(q);
  return entropy;
}

}  // namespace precipice
