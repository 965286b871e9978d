// SPDX-License-Identifier: Apache-2.0
// Random bits as a pure function of (seed, step, site, operand, element): Philox4x32-10, counter-based, no state.
// Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#pragma once

#include <cstdint>

#include "precision/base/host_device.h"

namespace precipice {

struct Philox4 {
  std::uint32_t word[4];
};

// The ten rounds of some blocks side by side, as each waits for the one before it. On 64-bit lanes of which only the
// low 32 bits count, so that a lane may also be a vector of lanes. wide_product(factor, lane) is the 64-bit product of
// factor and the low half of each lane.
template <class Lane, int kBlocks, class WideProduct>
PRECIPICE_HD constexpr void philox_rounds(Lane (&blocks)[kBlocks][4], Lane k0, Lane k1, WideProduct wide_product) {
  PRECIPICE_UNROLL_16
  for (int round = 0; round < 10; ++round) {
    PRECIPICE_UNROLL_16
    for (auto& c : blocks) {
      const Lane p0 = wide_product(0xD2511F53u, c[0]);
      const Lane p1 = wide_product(0xCD9E8D57u, c[2]);
      c[0] = (p1 >> 32) ^ c[1] ^ k0;
      c[1] = p1;
      c[2] = (p0 >> 32) ^ c[3] ^ k1;
      c[3] = p0;
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
}

struct ScalarWideProduct {
  PRECIPICE_HD constexpr std::uint64_t operator()(std::uint32_t factor, std::uint64_t lane) const {
    return std::uint64_t{factor} * static_cast<std::uint32_t>(lane);
  }
};

// Philox4x32 with 10 rounds; counter = (c0, c1, c2, c3), key = (k0, k1).
PRECIPICE_HD constexpr Philox4 philox4x32(Philox4 counter, std::uint32_t k0, std::uint32_t k1) {
  std::uint64_t c[1][4] = {{counter.word[0], counter.word[1], counter.word[2], counter.word[3]}};
  philox_rounds(c, std::uint64_t{k0}, std::uint64_t{k1}, ScalarWideProduct{});
  return Philox4{{static_cast<std::uint32_t>(c[0][0]), static_cast<std::uint32_t>(c[0][1]),
                  static_cast<std::uint32_t>(c[0][2]), static_cast<std::uint32_t>(c[0][3])}};
}

// What a stream of random words belongs to. Distinct keys give independent streams.
struct RandomKey {
  std::uint64_t seed = 0;
  std::uint32_t step = 0;
  std::uint32_t site = 0;
  std::uint16_t operand = 0;  // below 2^16
  // Where a device's kernels find the step, in its memory, when they run; null: it is `step`. The CPU knows its steps.
  const std::uint32_t* step_at = nullptr;
};

// The key as a kernel draws from it.
PRECIPICE_HD constexpr RandomKey key_there(RandomKey key) {
  if (key.step_at != nullptr) key.step = *key.step_at;
  return key;
}

// The counter and words 4*block .. 4*block+3 of the key's stream; block < 2^48. Element e uses word e % 4 of block e
// / 4.
PRECIPICE_HD constexpr Philox4 random_counter(const RandomKey& key, std::uint64_t block) {
  return Philox4{{static_cast<std::uint32_t>(block),
                  static_cast<std::uint32_t>(block >> 32) | (std::uint32_t{key.operand} << 16), key.step, key.site}};
}

PRECIPICE_HD constexpr Philox4 random_block(const RandomKey& key, std::uint64_t block) {
  return philox4x32(random_counter(key, block), static_cast<std::uint32_t>(key.seed),
                    static_cast<std::uint32_t>(key.seed >> 32));
}

PRECIPICE_HD constexpr std::uint32_t random_word(const RandomKey& key, std::uint64_t element) {
  return random_block(key, element / 4).word[element % 4];
}

// Rounding with at most 16 or 8 random bits uses each word for two or four elements.
PRECIPICE_HD constexpr int parts_of_word(int random_bits) {
  return random_bits > 16 ? 1 : random_bits > 8 ? 2 : 4;
}

// What element `element` is rounded with when `random_bits` high ones of it are used: with parts = parts_of_word, its
// 32 / parts bits of the stream's words, low bits of a word first, as the high bits of a word. Bits below are not used.
PRECIPICE_HD constexpr std::uint32_t random_part(std::uint32_t word, std::uint64_t element, int random_bits) {
  const int parts = parts_of_word(random_bits), width = 32 / parts;
  const int part = static_cast<int>(element % static_cast<std::uint64_t>(parts));
  return word << (32 - width * (part + 1));
}
PRECIPICE_HD constexpr std::uint32_t random_for(const RandomKey& key, std::uint64_t element, int random_bits) {
  const auto parts = static_cast<std::uint64_t>(parts_of_word(random_bits));
  return random_part(random_word(key, element / parts), element, random_bits);
}

}  // namespace precipice
