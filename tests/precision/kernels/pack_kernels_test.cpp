// SPDX-License-Identifier: Apache-2.0
// Packing of operands against its definition, on every instruction set and around the sizes of tiles; nothing is
// written beyond what is asked for.
#include "precision/kernels/pack_kernels.h"
#include "precision/kernels/isa.h"

#include <algorithm>
#include <vector>

#include "tests/precision/kernels/isas.h"
#include "tests/support/catch.h"

using namespace precipice;

namespace {

std::vector<const PackKernels*> all_kernels() {
  std::vector<const PackKernels*> all;
  for (const Isa& isa : test::available_isas()) all.push_back(&pack_kernels_of(isa.name));
  return all;
}

}  // namespace

TEST_CASE("words are transposed, whatever the sizes, and no others are touched") {
  constexpr std::uint32_t kUntouched = 0xDEADBEEF;
  for (const PackKernels* kernels : all_kernels())
    for (const std::int64_t rows : {1, 7, 8, 15, 16, 17, 33, 48})
      for (const std::int64_t cols : {1, 2, 8, 16, 20, 31, 64}) {
        const std::int64_t in_stride = cols + 3, out_stride = rows + 5;
        std::vector<std::uint32_t> in(static_cast<std::size_t>(rows * in_stride));
        for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<std::uint32_t>(i * 2654435761u);
        std::vector<std::uint32_t> out(static_cast<std::size_t>(cols * out_stride), kUntouched), expected = out;
        for (std::int64_t r = 0; r < rows; ++r)
          for (std::int64_t c = 0; c < cols; ++c)
            expected[static_cast<std::size_t>(c * out_stride + r)] = in[static_cast<std::size_t>(r * in_stride + c)];
        kernels->transpose_words(in.data(), in_stride, rows, cols, out.data(), out_stride);
        INFO(rows << " x " << cols);
        CHECK(out == expected);
      }
}

TEST_CASE("halves of two rows are joined to words, and the smallest magnitude is found among them") {
  for (const PackKernels* kernels : all_kernels())
    for (const std::int64_t size : {0, 1, 5, 31, 32, 33, 100}) {
      const auto count = static_cast<std::size_t>(size);
      std::vector<std::uint16_t> low(count), high(count);
      for (std::size_t i = 0; i < count; ++i) {
        low[i] = static_cast<std::uint16_t>(40503u * (i + 1));
        high[i] =
            static_cast<std::uint16_t>(i % 3 == 0 ? 0x8000 : 0x8100 + i);  // zeros of either sign are no magnitude
      }
      std::vector<std::uint32_t> joined(count + 1, 7);
      kernels->join_halves(low.data(), high.data(), size, joined.data());
      for (std::size_t i = 0; i < count; ++i) CHECK(joined[i] == (std::uint32_t{high[i]} << 16 | low[i]));
      CHECK(joined[count] == 7);
      CHECK(kernels->smallest_half(high.data(), size) == (size > 1 ? 0x100 : 0xFFFF));
    }
}
