// SPDX-License-Identifier: Apache-2.0
#include "train/data/unigram_entropy.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "precision/base/check.h"

namespace precipice {

double unigram_entropy(std::int64_t size, const std::function<std::int64_t(std::int64_t)>& token_at) {
  if (size <= 0) return std::numeric_limits<double>::quiet_NaN();
  std::vector<std::int64_t> counts;
  const auto count = [&](std::int64_t first, std::int64_t tokens) {
    for (std::int64_t i = first; i < first + tokens; ++i) {
      const std::int64_t token = token_at(i);
      PRECIPICE_CHECK(token >= 0, "token ", token);
      const auto place = static_cast<std::size_t>(token);
      if (place >= counts.size()) counts.resize(place + 1, 0);
      ++counts[place];
    }
  };
  const std::int64_t counted = std::min(size, kCountedTokens);
  if (size <= kCountedTokens) {
    count(0, size);
  } else {
    constexpr std::int64_t kSampled = kCountedTokens / kCountedBlocks;
    for (std::int64_t b = 0; b < kCountedBlocks; ++b) {
      // In 128 bits: a stream may have 2^63 tokens.
      const auto first = static_cast<std::int64_t>(static_cast<__int128>(size - kSampled) * b / (kCountedBlocks - 1));
      count(first, kSampled);
    }
  }
  double entropy = 0;
  for (const std::int64_t n : counts) {
    if (n == 0) continue;
    const double share = static_cast<double>(n) / static_cast<double>(counted);
    entropy -= share * std::log(share);
  }
  return entropy;
}

}  // namespace precipice
