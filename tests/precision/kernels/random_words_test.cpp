// SPDX-License-Identifier: Apache-2.0
// The random words: Philox4x32-10 against Random123, the reference implementation of its authors (Salmon et al., SC
// 2011), and the distribution of the words along every part of the key.
//
// Each walk takes 2^24 words. Bytes: Pearson's chi-square over 256 values, 255 degrees of freedom, as a normal deviate
// by Wilson and Hilferty (1931), for each of 4 byte positions. Correlation of words n apart: of u - 1/2, whose mean
// product is normal with variance 1 / (144 * 2^24). Equal bits of words 1 and 4 apart: binomial with 32 * 2^24 trials.
// All limits are 5.5 deviates on both sides, p = 3.8e-8: the 89 figures of truly random words would fail with a chance
// below 1e-5. The seeds are fixed, so that the outcome is the same every time.
#include <Random123/philox.h>
#undef philox4x32  // a macro of its C interface

#include <array>
#include <cmath>

#include "precision/rounding/random_bits.h"
#include "tests/precision/rounding/support.h"
#include "tests/support/catch.h"

namespace precipice::test {
namespace {

constexpr double kLimit = 5.5;
constexpr std::uint32_t kDraws = 1u << 24;

double chi_square_deviate(const std::array<std::uint32_t, 256>& counts) {
  const double expected = kDraws / 256.0, freedom = 255.0;
  double sum = 0.0;
  for (const std::uint32_t count : counts) sum += (count - expected) * (count - expected) / expected;
  const double variance = 2.0 / (9.0 * freedom);
  return (std::cbrt(sum / freedom) - (1.0 - variance)) / std::sqrt(variance);
}

template <class WordOf>
void check_distribution(const std::string& walk, const WordOf& word_of) {
  std::vector<std::uint32_t> words(kDraws);
  for (std::uint32_t i = 0; i < kDraws; ++i) words[i] = word_of(i);

  std::array<std::array<std::uint32_t, 256>, 4> counts{};
  for (const std::uint32_t word : words)
    for (std::size_t byte = 0; byte < 4; ++byte) ++counts[byte][word >> (8 * byte) & 0xFF];
  for (std::size_t byte = 0; byte < 4; ++byte) {
    INFO(walk << ", byte " << byte);
    CHECK(std::fabs(chi_square_deviate(counts[byte])) < kLimit);
  }
  for (const std::uint32_t lag : {1u, 2u, 3u, 4u, 64u, 65536u}) {
    // In integers, so that the sums are exact: the high 16 bits, minus their mean, doubled.
    const bool bits_too = lag == 1 || lag == 4;
    std::int64_t products = 0, equal_bits = 0;
    for (std::uint32_t i = 0; i + lag < kDraws; ++i) {
      const auto centred = [](std::uint32_t word) { return 2 * static_cast<std::int64_t>(word >> 16) - 65535; };
      products += centred(words[i]) * centred(words[i + lag]);
      if (bits_too) equal_bits += 32 - __builtin_popcount(words[i] ^ words[i + lag]);
    }
    const double pairs = kDraws - lag, variance = (65536.0 * 65536.0 - 1.0) / 3.0;  // of the doubled uniform integer
    INFO(walk << ", lag " << lag);
    CHECK(std::fabs(static_cast<double>(products) / (variance * std::sqrt(pairs))) < kLimit);
    if (bits_too) CHECK(std::fabs((static_cast<double>(equal_bits) - 16.0 * pairs) / std::sqrt(8.0 * pairs)) < kLimit);
  }
}

constexpr RandomKey kKey{0x0123456789ABCDEFu, 11, 7, 2};

}  // namespace

TEST_CASE("Philox4x32-10 equals Random123 for 10^6 random counters and keys") {
  Stream stream{123};
  int different = 0;
  for (int i = 0; i < 1000000; ++i) {
    const Philox4 counter{{stream.next(), stream.next(), stream.next(), stream.next()}};
    const std::uint32_t k0 = stream.next(), k1 = stream.next();
    const Philox4 actual = philox4x32(counter, k0, k1);
    const r123::Philox4x32::ctr_type expected = r123::Philox4x32_R<10>()(
        {{counter.word[0], counter.word[1], counter.word[2], counter.word[3]}}, r123::Philox4x32::key_type{{k0, k1}});
    for (std::size_t w = 0; w < 4; ++w) different += actual.word[w] != expected[w];
  }
  CHECK(different == 0);
}

TEST_CASE("the words are uniform and uncorrelated along elements, sites, steps, operands and seeds") {
  check_distribution("elements", [](std::uint32_t i) { return random_word(kKey, i); });
  // 2^32 elements apart and beyond, where the block number's high word counts.
  check_distribution("far elements", [](std::uint32_t i) { return random_word(kKey, std::uint64_t{i} << 26 | 1); });
  check_distribution("sites", [](std::uint32_t i) {
    RandomKey key = kKey;
    key.site = i;
    return random_word(key, 5);
  });
  check_distribution("steps", [](std::uint32_t i) {
    RandomKey key = kKey;
    key.step = i;
    return random_word(key, 6);
  });
  // There are 2^16 operands: all of them for each of 256 elements.
  check_distribution("operands", [](std::uint32_t i) {
    RandomKey key = kKey;
    key.operand = static_cast<std::uint16_t>(i);
    return random_word(key, i >> 16);
  });
  check_distribution("low seeds", [](std::uint32_t i) {
    RandomKey key = kKey;
    key.seed = i;
    return random_word(key, 3);
  });
  check_distribution("high seeds", [](std::uint32_t i) {
    RandomKey key = kKey;
    key.seed = std::uint64_t{i} << 32;
    return random_word(key, 3);
  });
}

// The mean product of (2u - 255) is normal with variance ((256^2 - 1) / 3)^2 / 2^24.
TEST_CASE("bytes of a word, which are random numbers of neighbours, are uncorrelated") {
  std::vector<int> centred(kDraws);
  for (std::uint32_t i = 0; i < kDraws; ++i) centred[i] = 2 * static_cast<int>(random_for(kKey, i, 8) >> 24) - 255;
  for (const std::uint32_t lag : {1u, 2u, 3u, 4u, 16u}) {
    std::int64_t products = 0;
    for (std::uint32_t i = 0; i + lag < kDraws; ++i) products += centred[i] * centred[i + lag];
    INFO("lag " << lag);
    CHECK(std::fabs(static_cast<double>(products) / ((65536.0 - 1.0) / 3.0 * std::sqrt(kDraws - lag))) < kLimit);
  }
}

}  // namespace precipice::test
