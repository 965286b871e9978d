// SPDX-License-Identifier: Apache-2.0
// Entropy of the frequencies of single tokens, H = -sum_v (n_v / n) ln(n_v / n) in nats per token: the least mean loss
// of a model that knows how often each token occurs and nothing of what stands before it. A loss that is not below it
// shows no sign of the context having been used. Up to kCountedTokens tokens are all counted. Of more, kCountedBlocks
// blocks of consecutive tokens are, spread evenly from the first token to the last: the same for every seed, and no
// start waits for a file of any size. Counting n of a stream's tokens puts H too low by about (vocabulary in use - 1) /
// 2n (Miller 1955), 0.006 nats for GPT-2's 50257 tokens.
#pragma once

#include <cstdint>
#include <functional>

namespace precipice {

inline constexpr std::int64_t kCountedTokens = std::int64_t{1} << 22;
inline constexpr std::int64_t kCountedBlocks = 256;

// `token_at(i)`, not negative, for 0 <= i < size. NaN where there are no tokens.
double unigram_entropy(std::int64_t size, const std::function<std::int64_t(std::int64_t)>& token_at);

}  // namespace precipice
