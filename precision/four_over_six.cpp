// SPDX-License-Identifier: Apache-2.0
// Both candidates of a block, and the error of each.
#include "precision/four_over_six.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "precision/check.h"

namespace precipice {
namespace {

constexpr std::int64_t kMaxLines = 256;

struct Formats {
  FormatConstants e2m1, bf16;
};

float round_even(float x, const FormatConstants& format) {
  return round_to_format<Rounding::NearestEven>(x, format);
}

float error_of(const ScaleConstants& c, float sf, float multiply, const OuterScale& outer, FourOverSix metric,
               const BlockView& block, const Formats& formats, bool in_bf16) {
  const auto range = static_cast<float>(6 * c.block_scale_max);
  float sums[kMaxLines] = {};
  for (std::int64_t line = 0; line < block.lines; ++line) {
    for (std::int64_t i = 0; i < block.length; ++i) {
      float x = block.first[line * block.line_stride + i * block.stride];
      if (in_bf16) x = round_even(x, formats.bf16);
      const float q = round_even(x * multiply, formats.e2m1);
      const float product = q * sf;
      const float difference = product * outer.amax / range - x;
      sums[line] += metric == FourOverSix::Mse ? difference * difference : std::fabs(difference);
    }
  }
  const auto lines = static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(block.lines)));
  for (std::int64_t distance = lines / 2; distance > 0; distance /= 2) {
    for (std::int64_t line = 0; line < distance; ++line) sums[line] += sums[line + distance];
  }
  return sums[0];
}

}  // namespace

BlockScale four_over_six_scale(const ScaleConstants& c, float amax, const OuterScale& outer, FourOverSix metric,
                               const BlockView& block, bool in_bf16) {
  PRECIPICE_CHECK(block.lines <= kMaxLines, "a block of ", block.lines, " lines");
  static const Formats formats = {prepare({2, 1, 1, Specials::Finite}, Overflow::Saturate),
                                  prepare({8, 7, 127, Specials::Ieee}, Overflow::Native)};
  const float sixth = amax / 6.0f;
  const float base = sixth * outer.encode;
  const float sf4 = te_nvfp4_block_scale(c, 1.5f * base), sf6 = te_nvfp4_block_scale(c, base);
  const BlockScale four = te_nvfp4_scale(c, sf4, outer), six = te_nvfp4_scale(c, sf6, outer);
  const float error4 = error_of(c, sf4, four.multiply, outer, metric, block, formats, in_bf16);
  const float error6 = error_of(c, sf6, six.multiply, outer, metric, block, formats, in_bf16);
  return error4 < error6 ? four : six;
}

}  // namespace precipice
