// SPDX-License-Identifier: Apache-2.0
// An array of random words (random_bits.h), by blocks in the lanes of a vector. Included by one file per instruction
// set, inside that set's namespace, as quantize-inl.h is and for its reasons. Expects precision/rounding/random_bits.h,
// precision/kernels/vector.h, <bit> and <utility> to be included.

namespace {

constexpr int kWordLanes = sizeof(Lanes) / sizeof(std::uint64_t);  // blocks of a vector, one in each lane

// What blocks of a stream share whose indices have the same high word, and the vector of blocks that comes next. As
// only one word of their counters differs, they share what becomes of the others in the first two rounds, which the
// compiler computes once.
struct WordStream {
  Lanes block, high_word, step, site, key_low, key_high;

  WordStream(const RandomKey& key, std::uint64_t first_block) {
    const Philox4 counter = random_counter(key, first_block);
    for (int lane = 0; lane < kWordLanes; ++lane) block[lane] = first_block + static_cast<std::uint64_t>(lane);
    high_word = Lanes{} + counter.word[1];
    step = Lanes{} + counter.word[2];
    site = Lanes{} + counter.word[3];
    key_low = Lanes{} + static_cast<std::uint32_t>(key.seed);
    key_high = Lanes{} + static_cast<std::uint32_t>(key.seed >> 32);
  }
};

// The lanes of two vectors in turn, from lane kFirst on.
template <int kFirst, int... kLane>
PRECIPICE_HD Lanes interleave(Lanes low, Lanes high, std::integer_sequence<int, kLane...>) {
  return __builtin_shufflevector(low, high, (kFirst + kLane / 2 + kLane % 2 * kWordLanes)...);
}

// The next kVectors vectors of blocks, block by block.
template <int kVectors>
PRECIPICE_HD void next_words(WordStream& stream, std::uint32_t* words) {
  static_assert(std::endian::native == std::endian::little, "word pairs are read as words");
  constexpr std::make_integer_sequence<int, kWordLanes> kInTurn;
  Lanes blocks[kVectors][4];
  for (auto& c : blocks) {
    c[0] = stream.block;
    c[1] = stream.high_word;
    c[2] = stream.step;
    c[3] = stream.site;
    stream.block += kWordLanes;
  }
  philox_rounds(blocks, stream.key_low, stream.key_high, LanesWideProduct{});
  for (const auto& c : blocks) {
    const Lanes low = (c[0] & 0xFFFFFFFFu) | (c[1] << 32), high = (c[2] & 0xFFFFFFFFu) | (c[3] << 32);
    // Low and high words of each block, one block after the other.
    const Lanes pairs[2] = {interleave<0>(low, high, kInTurn), interleave<kWordLanes / 2>(low, high, kInTurn)};
    __builtin_memcpy(words, pairs, sizeof(pairs));
    words += 4 * kWordLanes;
  }
}

// The words of `count` blocks whose indices have the same high word; the last vector of blocks may run over.
PRECIPICE_HD void fill_blocks(std::uint32_t* words, const RandomKey& key, std::uint64_t first, std::uint64_t count) {
  constexpr std::uint64_t kSideBySide = 4;
  WordStream stream(key, first);
  std::uint64_t b = 0;
  for (; b + kSideBySide * kWordLanes <= count; b += kSideBySide * kWordLanes)
    next_words<kSideBySide>(stream, words + 4 * b);
  for (; b < count; b += kWordLanes) next_words<1>(stream, words + 4 * b);
}

// Words of elements first .. first + size - 1, at words + first % 4; the last vector of blocks may run over into the
// slack of the buffers.
void fill_words(std::uint32_t* words, const RandomKey& key, std::uint64_t first, int size) {
  const std::uint64_t first_block = first / 4;
  const std::uint64_t blocks = (first + static_cast<std::uint64_t>(size) + 3) / 4 - first_block;
  const std::uint64_t of_high_word = (std::uint64_t{1} << 32) - (first_block & 0xFFFFFFFFu);
  const std::uint64_t head = blocks < of_high_word ? blocks : of_high_word;
  fill_blocks(words, key, first_block, head);
  if (head < blocks) fill_blocks(words + 4 * head, key, first_block + head, blocks - head);
}

}  // namespace
