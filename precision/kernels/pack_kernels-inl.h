// SPDX-License-Identifier: Apache-2.0
// The loops of pack_kernels.h around transpose_tile, which the including file declares: it transposes a tile of
// kTile x kTile words in memory. Included inside an instruction set's namespace.

namespace {

void transpose_words(const std::uint32_t* in, std::int64_t in_stride, std::int64_t rows, std::int64_t cols,
                     std::uint32_t* out, std::int64_t out_stride) {
  for (std::int64_t row = 0; row < rows; row += kTile) {
    for (std::int64_t col = 0; col < cols; col += kTile) {
      const std::uint32_t* from = in + row * in_stride + col;
      std::uint32_t* to = out + col * out_stride + row;
      const std::int64_t height = rows - row, width = cols - col;
      if (height >= kTile && width >= kTile) {
        transpose_tile(from, in_stride, to, out_stride);
        continue;
      }
      for (std::int64_t c = 0; c < (width < kTile ? width : kTile); ++c)
        for (std::int64_t r = 0; r < (height < kTile ? height : kTile); ++r)
          to[c * out_stride + r] = from[r * in_stride + c];
    }
  }
}

void join_halves(const std::uint16_t* low, const std::uint16_t* high, std::int64_t cols, std::uint32_t* out) {
  for (std::int64_t c = 0; c < cols; ++c) out[c] = std::uint32_t{low[c]} | std::uint32_t{high[c]} << 16;
}

std::uint16_t smallest_half(const std::uint16_t* in, std::int64_t size) {
  std::uint16_t smallest = 0xFFFF;
  for (std::int64_t i = 0; i < size; ++i) {
    const auto less_one = static_cast<std::uint16_t>((in[i] & 0x7FFF) - 1);  // zero wraps around to the largest
    smallest = less_one < smallest ? less_one : smallest;
  }
  return smallest;
}

}  // namespace

const PackKernels kPackKernels{transpose_words, join_halves, smallest_half};
