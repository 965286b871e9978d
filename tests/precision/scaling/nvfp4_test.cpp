// SPDX-License-Identifier: Apache-2.0
// NVFP4 as TransformerEngine and torchao compute it: every kind of input against the recipes in other arithmetic,
// 4over6 against an evaluation of both candidates, and the places where the two disagree, with the numbers that show
// it.
#include "precision/base/check.h"
#include "precision/format/format_codes.h"
#include "precision/scaling/quantizer_settings.h"
#include "tests/precision/scaling/scaling_support.h"
#include "tests/support/catch.h"
#include "tests/support/reference_scaling.h"

namespace precipice::test {
namespace {

using reference::fl;

QuantizerSettings nvfp4(Arithmetic arithmetic, std::int64_t across = 1) {
  QuantizerSettings spec = block_spec("e2m1", ScaleRule::Nvfp4, arithmetic, 16);
  spec.block_across = across;
  return spec;
}

// A tensor with amax `tensor` in its first block and amax `amax` in its second, where also x is.
Quantized two_blocks(const QuantizerSettings& spec, float tensor, float amax, float x) {
  std::vector<float> in(32, 0.0f);
  in[0] = tensor;
  in[16] = amax;
  in[17] = x;
  return quantize_all(in, {1, 32, 1}, spec);
}

// The block scale that explains a dequantization scale: E4M3, so that one of its 256 codes must.
float block_scale_of(float scale, double outer) {
  return static_cast<float>(reference::nearest({4, 3, 7, Specials::Fn}, scale / outer));
}

double error_of(const reference::Block& candidate, double sf, const reference::Nvfp4Outer& outer, double m,
                const std::vector<float>& x, bool squared) {
  double sum = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double value = fl(fl(fl(candidate.q[i] * sf) * outer.amax) / (6.0 * m));
    const double difference = std::fabs(fl(value - x[i]));
    sum = fl(sum + (squared ? fl(difference * difference) : difference));
  }
  return sum;
}

// As the recipe has it for one line of 16.
reference::Block four_over_six(const std::vector<float>& x, const reference::Nvfp4Outer& outer, double m,
                               bool squared) {
  const double base = fl(fl(reference::amax_of(x) / 6.0) * outer.encode);
  const double sf4 = reference::e4m3_scale(fl(1.5 * base)), sf6 = reference::e4m3_scale(base);
  const reference::Block four = reference::te_nvfp4_with(x, sf4, outer, m),
                         six = reference::te_nvfp4_with(x, sf6, outer, m);
  return error_of(four, sf4, outer, m, x, squared) < error_of(six, sf6, outer, m, x, squared) ? four : six;
}

}  // namespace

TEST_CASE("TransformerEngine's NVFP4 agrees with the recipe in 1x16 and 16x16 blocks, ragged ones too") {
  for (const std::int64_t across : {1, 16}) {
    check_blocks(
        nvfp4(Arithmetic::Te, across), 40, 70, [](const std::vector<float>& block, const std::vector<float>& all) {
          return reference::te_nvfp4(block, reference::amax_of(block), reference::te_outer(reference::amax_of(all)));
        });
  }
}

TEST_CASE("torchao's NVFP4 agrees with the recipe, two-level and one-level") {
  for (const bool two_level : {true, false}) {
    QuantizerSettings spec = nvfp4(Arithmetic::Torchao);
    spec.two_level = two_level;
    check_blocks(spec, 48, 64, [two_level](const std::vector<float>& block, const std::vector<float>& all) {
      return reference::torchao_nvfp4(block, reference::amax_of(all), two_level);
    });
  }
}

TEST_CASE("row_scaled: every row, or column, of the operand has an outer scale of its own") {
  QuantizerSettings spec = nvfp4(Arithmetic::Te);
  spec.row_scaled = true;
  const std::vector<float> in = inputs_of("heavy-tailed", 32, 48);
  for (const int contraction : {0, 1}) {
    const Quantized whole = quantize_all(in, {32, 48, contraction}, spec);
    const std::int64_t lines = contraction == 1 ? 32 : 48, length = contraction == 1 ? 48 : 32;
    int wrong = 0;
    for (std::int64_t line = 0; line < lines; ++line) {
      std::vector<float> row, expected;
      for (std::int64_t i = 0; i < length; ++i) {
        const auto at = static_cast<std::size_t>(contraction == 1 ? line * 48 + i : i * 48 + line);
        row.push_back(in[at]);
        expected.push_back(whole.dequantized[at]);
      }
      wrong += count_differences(quantize_all(row, {1, length, 1}, nvfp4(Arithmetic::Te)).dequantized, expected);
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("4over6 takes the scale of the smaller error, by absolute value and by square, under 448 and 256") {
  for (const int m : {448, 256}) {
    for (const FourOverSix metric : {FourOverSix::Mae, FourOverSix::Mse}) {
      QuantizerSettings spec = nvfp4(Arithmetic::Te);
      spec.four_over_six = metric;
      spec.four_over_six_max = m;
      for (const char* kind : {"normal", "heavy-tailed", "outlier channel", "zero blocks", "bf16", "powers", "tiny"}) {
        const std::vector<float> in = inputs_of(kind, 32, 64);
        const reference::Nvfp4Outer outer = reference::te_outer(reference::amax_of(in), m);
        for (const int contraction : {0, 1}) {
          const MatrixShape shape{32, 64, contraction};
          const BlockGrid grid = block_grid(spec, shape);
          const Quantized got = quantize_all(in, shape, spec);
          int wrong = 0, fours = 0;
          for (std::int64_t i = 0; i < grid.grid_rows; ++i) {
            for (std::int64_t j = 0; j < grid.grid_cols; ++j) {
              const auto expected =
                  four_over_six(block_of(in, shape, grid, i, j), outer, m, metric == FourOverSix::Mse);
              const std::vector<float> values = block_of(got.values, shape, grid, i, j);
              wrong += count_differences(values, expected.q);
              wrong += count_differences(block_of(got.dequantized, shape, grid, i, j), expected.dq);
              fours += reference::amax_of(values) == 4.0;
            }
          }
          INFO(kind << " " << m << " " << to_string(metric));
          CHECK(wrong == 0);
          if (std::string(kind) == "normal") CHECK(fours > 10);  // so that both candidates are seen
        }
      }
    }
  }
}

TEST_CASE("4over6 of a 16x16 block adds the errors of its lines in a tree") {
  QuantizerSettings spec = nvfp4(Arithmetic::Te, 16);
  spec.four_over_six = FourOverSix::Mae;
  int fours = 0, wrong = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    // A block at the left of one that has the tensor's amax: at the tensor's own amax both candidates are 448.
    const std::vector<float> in = inputs_of(seed % 2 == 0 ? "normal" : "powers", 16, 16, seed);
    const double amax = reference::amax_of(in);
    std::vector<float> both(16 * 32, static_cast<float>((1.5 + 0.1 * static_cast<double>(seed)) * amax));
    for (std::size_t i = 0; i < in.size(); ++i) both[i / 16 * 32 + i % 16] = in[i];
    const reference::Nvfp4Outer outer = reference::te_outer(reference::amax_of(both));
    const double base = fl(fl(amax / 6.0) * outer.encode);
    double errors[2];
    for (const int which : {0, 1}) {
      const double sf = reference::e4m3_scale(which == 0 ? fl(1.5 * base) : base);
      std::vector<double> sums;
      for (std::size_t r = 0; r < 16; ++r) {
        const std::vector<float> row(in.begin() + static_cast<std::ptrdiff_t>(16 * r),
                                     in.begin() + static_cast<std::ptrdiff_t>(16 * r + 16));
        sums.push_back(error_of(reference::te_nvfp4_with(row, sf, outer), sf, outer, 448.0, row, false));
      }
      for (std::size_t distance : {8u, 4u, 2u, 1u}) {
        for (std::size_t r = 0; r < distance; ++r) sums[r] = fl(sums[r] + sums[r + distance]);
      }
      errors[which] = sums[0];
    }
    const double sf = reference::e4m3_scale(errors[0] < errors[1] ? fl(1.5 * base) : base);
    const MatrixShape shape{16, 32, 1};
    const std::vector<float> got = quantize_all(both, shape, spec).dequantized;
    wrong += count_differences(block_of(got, shape, block_grid(spec, shape), 0, 0),
                               reference::te_nvfp4_with(in, sf, outer).dq);
    fours += errors[0] < errors[1];
  }
  CHECK(wrong == 0);
  CHECK((fours > 0 && fours < 40));
}

TEST_CASE("block scales below 2^-6: te uses subnormal E4M3 0.013671875, torchao clamps to 0.015625") {
  const Quantized te = two_blocks(nvfp4(Arithmetic::Te), 42320.477f, 1.3253076f, 1.1987036f);
  const Quantized torchao = two_blocks(nvfp4(Arithmetic::Torchao), 42320.477f, 1.3253076f, 1.1987036f);
  CHECK(block_scale_of(te.scales[1], 42320.477 / 2688.0) == 0.013671875f);
  CHECK(block_scale_of(torchao.scales[1], 42320.477 / 2688.0) == 0.015625f);
  CHECK(te.dequantized[17] == 1.2915184f);
  CHECK(torchao.values[17] == 4.0f);
  CHECK(torchao.dequantized[17] == static_cast<float>(4.0 * fl(fl(static_cast<double>(42320.477f) / 2688.0) / 64.0)));
}

TEST_CASE(
    "order of operations: tensor amax 1.015625 and block amax 0.76171875 give block scale 352 in te, 320 in torchao") {
  for (const std::int64_t across : {1, 16}) {
    const Quantized te = two_blocks(nvfp4(Arithmetic::Te, across), 1.015625f, 0.76171875f, 0.0f);
    CHECK(block_scale_of(te.scales[1], 1.015625 / 2688.0) == 352.0f);
  }
  const Quantized torchao = two_blocks(nvfp4(Arithmetic::Torchao), 1.015625f, 0.76171875f, 0.0f);
  CHECK(block_scale_of(torchao.scales[1], 1.015625 / 2688.0) == 320.0f);
}

TEST_CASE("a tensor of zeros: +0 in te, NaN in torchao's two levels, zeros in its one level") {
  const std::vector<float> zeros(32, -0.0f);
  for (const float x : quantize_all(zeros, {1, 32, 1}, nvfp4(Arithmetic::Te)).dequantized) CHECK(bits_of(x) == 0u);
  QuantizerSettings torchao = nvfp4(Arithmetic::Torchao);
  for (const float x : quantize_all(zeros, {1, 32, 1}, torchao).dequantized) CHECK(is_nan(x));
  torchao.two_level = false;
  for (const float x : quantize_all(zeros, {1, 32, 1}, torchao).dequantized) CHECK(x == 0.0f);
}

TEST_CASE("tensor amax above 7.6e35: te's scale overflows and it dequantizes to infinity, torchao stays finite") {
  CHECK(two_blocks(nvfp4(Arithmetic::Te), 1e36f, 1.0f, 0.0f).dequantized[0] == kInfF);
  CHECK(std::isfinite(two_blocks(nvfp4(Arithmetic::Torchao), 1e36f, 1.0f, 0.0f).dequantized[0]));
}

TEST_CASE("te gives a negative number that rounds to zero code 8, and +0 to -0, to NaN and to what vanishes as -0") {
  std::vector<float> in(16, 1.0f);
  in[1] = -0.02198516f;
  in[2] = -0.0f;
  in[3] = 0.02198516f;
  in[4] = -1e-45f;  // 6 times that is no zero
  const QuantizerSettings te = nvfp4(Arithmetic::Te);
  const auto codes_of = [&](const std::vector<float>& values) {
    std::vector<std::uint32_t> codes;
    for (const float value : values) codes.push_back(encode(te.format, value));
    return codes;
  };
  // 1 is the amax of the block and becomes 6, code 7.
  for (const std::int64_t across : {1, 16}) {
    const Quantized got = quantize_all(in, {1, 16, 1}, nvfp4(Arithmetic::Te, across));
    CHECK(codes_of(got.values) == std::vector<std::uint32_t>{7, 8, 0, 0, 8, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7});
    CHECK(bits_of(got.dequantized[1]) == 0x80000000u);
  }
  // With the tensor's amax in another block the product with a subnormal number can vanish.
  std::vector<float> wide(32, 0.0f);
  wide[0] = 1e30f;
  wide[1] = -1e-45f;
  wide[2] = -1e20f;
  std::vector<std::uint32_t> wide_codes(32, 0);
  wide_codes[0] = 7, wide_codes[2] = 8;
  CHECK(codes_of(quantize_all(wide, {1, 32, 1}, te).values) == wide_codes);
  in[5] = float_of(0x7FC00000u);  // NaN: the block's scale with it
  for (const std::uint32_t code : codes_of(quantize_all(in, {1, 16, 1}, te).values)) CHECK(code == 0u);
  for (const Rounding rounding : {Rounding::NearestEven, Rounding::Stochastic}) {
    QuantizerSettings spec = te;
    spec.rounding = rounding;
    const std::vector<float> zeros_of_both_signs = inputs_of("zero blocks", 48, 80);
    for (const int contraction : {0, 1}) {
      const Quantized got = quantize_all(zeros_of_both_signs, {48, 80, contraction}, spec, {7, 3, 2, 1});
      int wrong = 0, negative = 0;
      for (std::size_t i = 0; i < got.values.size(); ++i) {
        if (got.values[i] != 0.0f) continue;
        wrong += std::signbit(got.values[i]) != (zeros_of_both_signs[i] < 0.0f);
        negative += std::signbit(got.values[i]);
      }
      CHECK(wrong == 0);
      CHECK(negative > 0);
    }
  }
}

TEST_CASE("te flushes blocks under about 1/458752 of the tensor's amax") {
  CHECK(two_blocks(nvfp4(Arithmetic::Te), 458752.0f, 1.01f, 0.0f).dequantized[16] != 0.0f);
  CHECK(two_blocks(nvfp4(Arithmetic::Te), 458752.0f, 0.99f, 0.0f).dequantized[16] == 0.0f);
  CHECK(bits_of(two_blocks(nvfp4(Arithmetic::Te), 6.0f, 6.0f, -1e-9f).dequantized[17]) == 0x80000000u);
  CHECK(bits_of(two_blocks(nvfp4(Arithmetic::Torchao), 6.0f, 6.0f, -1e-9f).dequantized[17]) == 0x80000000u);
}

TEST_CASE("torchao's one level saturates blocks of amax above 2688: -1.09e38 becomes -2688") {
  QuantizerSettings spec = nvfp4(Arithmetic::Torchao);
  spec.two_level = false;
  CHECK(two_blocks(spec, 1.0f, -1.09e38f, 0.0f).dequantized[16] == -2688.0f);
}

TEST_CASE("stochastic rounding of NVFP4 stays on the two neighbours of what was scaled and uses the element's word") {
  QuantizerSettings spec = nvfp4(Arithmetic::Te);
  spec.rounding = Rounding::Stochastic;
  const RandomKey key{7, 3, 2, 1};
  const std::vector<float> in = inputs_of("normal", 32, 32);
  for (const int contraction : {0, 1}) {
    const MatrixShape shape{32, 32, contraction};
    const BlockGrid grid = block_grid(spec, shape);
    const Quantized got = quantize_all(in, shape, spec, key);
    int wrong = 0;
    for (std::size_t i = 0; i < in.size(); ++i) {
      const auto row = static_cast<std::int64_t>(i) / 32, col = static_cast<std::int64_t>(i) % 32;
      const auto block = static_cast<std::size_t>(row / grid.block_rows * grid.grid_cols + col / grid.block_cols);
      const float scaled = in[i] * got.multipliers[block];
      const float expected =
          reference::round(spec.format, Rounding::Stochastic, Overflow::Saturate, scaled, random_word(key, i)) + 0.0f;
      wrong += got.values[i] != expected;
    }
    CHECK(wrong == 0);
  }
}

}  // namespace precipice::test
