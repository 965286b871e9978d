// SPDX-License-Identifier: Apache-2.0
// An array of random words (random_bits.h), by blocks in the lanes of a vector. Included by one file per instruction
// set, inside that set's namespace, as quantize-inl.h is and for its reasons. Expects precision/random_bits.h and <bit>
// to be included, and Lanes and LanesWideProduct to be declared in the surrounding namespace.

namespace {

// Words of elements first .. first + size - 1, at words + first % 4. Lanes are a vector of std::uint64_t; each lane
// holds one block, and the last vector may run over into the slack of the buffers.
void fill_words(std::uint32_t* words, const RandomKey& key, std::uint64_t first, int size) {
  static_assert(std::endian::native == std::endian::little, "word pairs are read as words");
  constexpr std::uint64_t kLanes = sizeof(Lanes) / sizeof(std::uint64_t);
  Lanes first_half, second_half;  // low and high words of each block, one block after the other
  for (std::uint64_t lane = 0; lane < kLanes; ++lane) {
    first_half[lane] = lane / 2 + lane % 2 * kLanes;
    second_half[lane] = first_half[lane] + kLanes / 2;
  }
  const std::uint64_t first_block = first / 4;
  const int blocks = static_cast<int>((first + static_cast<std::uint64_t>(size) + 3) / 4 - first_block);

  const Philox4 counter = random_counter(key, first_block);
  const Lanes key_low = Lanes{} + static_cast<std::uint32_t>(key.seed);
  const Lanes key_high = Lanes{} + static_cast<std::uint32_t>(key.seed >> 32);
  Lanes block;
  for (std::uint64_t lane = 0; lane < kLanes; ++lane) block[lane] = first_block + lane;
  for (int b = 0; b < blocks; b += static_cast<int>(kLanes), block += kLanes) {
    // random_counter puts the block's high bits below the operand in word 1.
    Lanes c[4] = {block, (block >> 32) | (counter.word[1] & 0xFFFF0000u), Lanes{} + counter.word[2],
                  Lanes{} + counter.word[3]};
    philox_rounds(c, key_low, key_high, LanesWideProduct{});
    const Lanes low = (c[0] & 0xFFFFFFFFu) | (c[1] << 32), high = (c[2] & 0xFFFFFFFFu) | (c[3] << 32);
    const Lanes pairs[2] = {__builtin_shuffle(low, high, first_half), __builtin_shuffle(low, high, second_half)};
    __builtin_memcpy(words + 4 * b, pairs, sizeof(pairs));
  }
}

}  // namespace
