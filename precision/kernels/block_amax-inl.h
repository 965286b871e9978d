// SPDX-License-Identifier: Apache-2.0
// amaxes of blocks, as binary32 patterns, which are in the order of their magnitudes; included by block_kernels-inl.h
// and under its rules. A block's largest lane is found for as many blocks at once as a vector has lanes.

namespace {

PRECIPICE_HD Ints magnitudes_at(const float* from) {
  return as_ints(floats_at(from)) & 0x7FFFFFFF;
}

// Lane l is that of a, or of b where l has bit kBit, the larger of lanes l and l ^ kBit.
template <int kBit, int... kLane>
PRECIPICE_HD Ints fold_pair(Ints a, Ints b, std::integer_sequence<int, kLane...>) {
  const Ints clear = __builtin_shufflevector(a, b, ((kLane & kBit) == 0 ? kLane : kWidth + (kLane & ~kBit))...);
  const Ints set = __builtin_shufflevector(a, b, ((kLane & kBit) == 0 ? kLane | kBit : kWidth + kLane)...);
  return larger(clear, set);
}

// Lane l of the result is the largest of the lanes of vectors[l % kVectors] that differ from l in their low bits alone.
template <int kVectors>
PRECIPICE_HD Ints fold(Ints* vectors) {
  if constexpr (kVectors == 1) {
    return vectors[0];
  } else {
    constexpr int kHalf = kVectors / 2;
    PRECIPICE_UNROLL_16
    for (int i = 0; i < kHalf; ++i)
      vectors[i] = fold_pair<kHalf>(vectors[i], vectors[i + kHalf], std::make_integer_sequence<int, kWidth>{});
    return fold<kHalf>(vectors);
  }
}

// The largest magnitudes of `size` numbers, lane by lane. Four chains: a maximum waits for the one before.
PRECIPICE_HD Ints largest_of(const float* from, std::int64_t size) {
  Ints largest[4] = {};
  std::int64_t i = 0;
  for (; i + 4 * kWidth <= size; i += 4 * kWidth) {
    for (int chain = 0; chain < 4; ++chain)
      largest[chain] = larger(largest[chain], magnitudes_at(from + i + chain * kWidth));
  }
  for (; i + kWidth <= size; i += kWidth) largest[0] = larger(largest[0], magnitudes_at(from + i));
  if (i < size) {
    float rest[kWidth] = {};
    __builtin_memcpy(rest, from + i, static_cast<std::size_t>(size - i) * sizeof(float));
    largest[1] = larger(largest[1], magnitudes_at(rest));
  }
  return larger(larger(largest[0], largest[1]), larger(largest[2], largest[3]));
}

// Returns how many blocks it did, kWidth at a time. kBlock is the width, or 0 of one from kWidth up.
template <int kBlock>
PRECIPICE_HD std::int64_t amax_by_folding(const float* in, std::int64_t width, std::int64_t blocks,
                                          std::int32_t* patterns) {
  constexpr int kVectors = kBlock > 0 && kBlock < kWidth ? kBlock : kWidth, kInVector = kWidth / kVectors;  // blocks
  if (kBlock > 0) width = kBlock;
  std::int64_t done = 0;
  for (; done + kWidth <= blocks; done += kWidth) {
    Ints vectors[kVectors];
    PRECIPICE_UNROLL_16
    for (int i = 0; i < kVectors; ++i)
      vectors[i] = largest_of(in + done * width + i * kInVector * width, kInVector * width);
    const Ints folded = fold<kVectors>(vectors);
    std::int32_t lanes[kWidth];
    __builtin_memcpy(lanes, &folded, sizeof(lanes));
    std::int32_t* const own = patterns + done;
    for (int i = 0; i < kVectors; ++i) {
      for (int k = 0; k < kInVector; ++k)
        own[i * kInVector + k] = larger(lanes[k * kVectors + i], own[i * kInVector + k]);
    }
  }
  return done;
}

std::int64_t amax_of_groups(const float* in, std::int64_t width, std::int64_t blocks, std::int32_t* patterns) {
  switch (width) {
    case 2:
      return amax_by_folding<2>(in, width, blocks, patterns);
    case 4:
      return amax_by_folding<4>(in, width, blocks, patterns);
    case 8:
      return amax_by_folding<8>(in, width, blocks, patterns);
    case 16:
      return amax_by_folding<16>(in, width, blocks, patterns);
    case 32:
      return amax_by_folding<32>(in, width, blocks, patterns);
    default:
      return width >= kWidth ? amax_by_folding<0>(in, width, blocks, patterns) : 0;
  }
}

void amax_of_columns(const float* in, std::int64_t rows, std::int64_t stride, std::int64_t cols,
                     std::int32_t* patterns) {
  std::int64_t r = 0;
  for (; r + 4 <= rows; r += 4) {
    const float *a = in + r * stride, *b = a + stride, *c = b + stride, *d = c + stride;
    PRECIPICE_INDEPENDENT_LOOP
    for (std::int64_t i = 0; i < cols; ++i) {
      const std::int32_t ab = larger(pattern_of(a[i]), pattern_of(b[i]));
      const std::int32_t cd = larger(pattern_of(c[i]), pattern_of(d[i]));
      patterns[i] = larger(larger(ab, cd), patterns[i]);
    }
  }
  for (; r < rows; ++r) {
    PRECIPICE_INDEPENDENT_LOOP
    for (std::int64_t i = 0; i < cols; ++i) patterns[i] = larger(pattern_of(in[r * stride + i]), patterns[i]);
  }
}

void amax_of_blocks(const float* row, std::int64_t cols, std::int64_t width, std::int32_t* patterns) {
  if (width == 1) return amax_of_columns(row, 1, cols, cols, patterns);
  for (std::int64_t block = amax_of_groups(row, width, cols / width, patterns); block * width < cols; ++block) {
    const std::int64_t begin = block * width, size = width < cols - begin ? width : cols - begin;
    patterns[block] = larger(largest_lane(largest_of(row + begin, size)), patterns[block]);
  }
}

}  // namespace
