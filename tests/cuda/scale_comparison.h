// SPDX-License-Identifier: Apache-2.0
// Operands times their scales, and emulated accumulators, by the kernels: against plain loops and gemm_reference() on the
// host, bit for bit, but that a NaN may be any.
#pragma once

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "precision/accumulator/accumulator_presets.h"
#include "precision/accumulator/prepared_gemm.h"
#include "precision/format/format_presets.h"
#include "tests/cuda/kernels_under_test.h"
#include "tests/cuda/multi_tensor_comparison.h"
#include "tests/cuda/row_comparison.h"
#include "tests/precision/accumulator/gemm_support.h"

namespace precipice::test {

// Sums of 7 x 9 with scales of pairs of rows, of columns one by one, and a number for all.
inline void compare_scaled_sums(const Kernels& kernels) {
  constexpr std::int64_t kRows = 7, kCols = 9, kBlocks = 3, kBlock = 2;
  const std::vector<float> sums = row_numbers(kRows * kCols, 61), of_rows = row_numbers(4 * kBlocks, 62),
                           of_cols = row_numbers(kCols * kBlocks, 63), before = row_numbers(kRows * kCols, 64);
  DeviceArray<float> dev_rows(kernels, of_rows), dev_cols(kernels, of_cols);
  const DeviceResult<float> tenth(kernels, 0.1f);
  for (const bool in_place : {false, true})
    for (const bool fixed : {false, true})
      for (const Launch launch : next_launches(kernels)) {
        std::vector<float> expected = in_place ? sums : before;
        for (std::size_t m = 0; m < kRows; ++m)
          for (std::size_t n = 0; n < kCols; ++n) {
            const float factor =
                (fixed ? 3.0f * 0.1f : of_rows[m / 2 * kBlocks + kBlock]) * of_cols[kBlock * kCols + n];
            const float product = sums[m * kCols + n] * factor;
            expected[m * kCols + n] = in_place ? product : before[m * kCols + n] + product;
          }
        DeviceArray<float> dev_sums(kernels, sums), dev_y(kernels, before);
        DeviceArray<float>& y = in_place ? dev_sums : dev_y;
        // A number in device memory, times one that is known.
        const RowScaleValues a =
            fixed ? RowScaleValues{{}, {3.0f, tenth.data()}} : RowScaleValues{{dev_rows.data(), 2, kBlocks, 1}, 1.0f};
        require_done(kernels.matrix->scale_sums(
            {dev_sums.data(), y.data(), kRows, kCols, a, {{dev_cols.data(), 1, 1, kCols}, 1.0f}, kBlock}, launch));
        check_same_numbers(y, expected);
      }
}

// Numbers of fp32 and of bf16, either way, in blocks of 2 x 4; with `large`, a product that is infinite; with `fine`, some
// that are no bf16 numbers.
inline void compare_scaled_numbers(const Kernels& kernels, bool in_bf16, bool out_bf16, bool large, bool fine,
                                   Launch launch) {
  constexpr std::int64_t kRows = 5, kCols = 10, kBlockRows = 2, kBlockCols = 4, kGridCols = 3;
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::vector<float> in(kRows * kCols), scales = {0.25f, 2.0f, 1.0f, 0.0f, 8.0f, kInfinity, 0x1p-3f, 1.0f, 4.0f};
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<float>(i) / 8 - 2;  // bf16 numbers
  in[3] = kInfinity, in[14] = std::numeric_limits<float>::quiet_NaN();
  if (large) in[48] = 0x1p127f;
  if (fine) scales[4] = 0x1.004p0f;
  std::vector<float> expected(in.size());
  for (std::size_t r = 0; r < kRows; ++r)
    for (std::size_t c = 0; c < kCols; ++c)
      expected[r * kCols + c] = in[r * kCols + c] * scales[r / kBlockRows * kGridCols + c / kBlockCols];
  const auto halves_of = [](const std::vector<float>& x) {
    std::vector<std::uint16_t> halves;
    for (const float one : x) halves.push_back(bf16_bits(bits_of(one)));
    return halves;
  };
  DeviceArray<float> dev_in(kernels, in), dev_out(kernels, in), dev_scales(kernels, scales);
  DeviceArray<std::uint16_t> in_halves(kernels, halves_of(in)), out_halves(kernels, halves_of(in));
  for (const bool checks_bf16 : {false, true}) {
    DeviceResult<ScaleRange> range(kernels);
    require_done(kernels.matrix->scale_numbers({in_bf16 ? static_cast<const void*>(in_halves.data()) : dev_in.data(),
                                                out_bf16 ? static_cast<void*>(out_halves.data()) : dev_out.data(),
                                                in_bf16,
                                                out_bf16,
                                                checks_bf16,
                                                kRows,
                                                kCols,
                                                kBlockRows,
                                                kBlockCols,
                                                {{dev_scales.data(), kBlockRows, kGridCols, 1}, 1.0f}},
                                               range.data(), launch));
    CHECK((range.value().inexact != 0) == (large || (fine && out_bf16 && checks_bf16)));
  }
  const std::vector<float> found = out_bf16 ? unpacked(out_halves.contents()) : dev_out.contents();
  if (out_bf16) expected = unpacked(halves_of(expected));
  for (std::size_t i = 0; i < in.size(); ++i) CHECK(same_number(double{found[i]}, double{expected[i]}));
}

inline void compare_all_scaled_numbers(const Kernels& kernels) {
  for (int turn = 0; turn < 16; ++turn)
    for (const Launch launch : next_launches(kernels))
      compare_scaled_numbers(kernels, (turn & 1) != 0, (turn & 2) != 0, (turn & 4) != 0, (turn & 8) != 0, launch);
}

inline void compare_scale_ranges(const Kernels& kernels) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  struct Case {
    std::vector<float> scales;
    float smallest;
    bool powers;
  };
  const std::vector<Case> cases = {{{}, 0x1p127f, true},
                                   {{0.0f, NAN, -3.0f}, 0x1p127f, true},
                                   {{0x1p-140f, 2.0f, kInfinity, 0.0f}, 0x1p-140f, false},
                                   {{8.0f, 0x1p-126f, NAN, 0.5f}, 0x1p-126f, true},
                                   {{8.0f, 3.0f, 4.0f}, 3.0f, false},
                                   {std::vector<float>(700, kInfinity), 0x1p127f, true}};
  for (const Case& c : cases)
    for (const Launch launch : next_launches(kernels)) {
      DeviceArray<float> scales(kernels, c.scales);
      DeviceResult<ScaleRange> range(kernels, {1.0f, 7, 7});
      const auto size = static_cast<std::int64_t>(c.scales.size());
      require_done(kernels.matrix->range_of_scales(scales.data(), size, range.data(), launch));
      CHECK(range.value().smallest == c.smallest);
      CHECK(range.value().powers_of_two == (c.powers ? 1 : 0));
      CHECK(range.value().inexact == 0);
    }
}

// E4M3 block scales come back from their products with the tensor's scale.
inline void compare_outer_scales(const Kernels& kernels) {
  const FormatConstants e4m3 = prepare(kE4m3, Overflow::Saturate);
  const float outer = 0.0123f;
  std::vector<float> block_scales, products;
  for (std::uint32_t code = 0; code < 127; ++code) {
    block_scales.push_back(decode(kE4m3, code));
    products.push_back(block_scales.back() * outer);
  }
  for (const Launch launch : next_launches(kernels)) {
    DeviceArray<float> scales(kernels, products);
    const DeviceResult<float> there(kernels, outer);
    const Factor factor{1.0f, there.data()};
    require_done(kernels.matrix->divide_outer_scale(scales.data(), 127, factor, e4m3, scales.data(), launch));
    check_same_numbers(scales, block_scales);
  }
}

inline void compare_gemm(const Kernels& kernels, GemmCase& c, Launch launch) {
  gemm_reference(c.gemm);
  DeviceArray<float> a(kernels, c.a), b(kernels, c.b), scales_a(kernels, c.scales_a), scales_b(kernels, c.scales_b),
      out(kernels, std::vector<float>(c.out.size()));
  PreparedGemm call = prepare_gemm(c.gemm);
  call.gemm.a.data = a.data(), call.gemm.b.data = b.data(), call.gemm.out = out.data();
  if (c.gemm.a.scales.data != nullptr)
    call.gemm.a.scales.data = scales_a.data(), call.gemm.b.scales.data = scales_b.data();
  require_done(kernels.matrix->gemm_emulated(call, launch));
  check_same_numbers(out, c.out);
}

// A sum just below the middle of two binary32 numbers, by less than binary64 holds beside it: rounded to binary64 first it
// would go up.
inline void compare_sum_near_tie(const Kernels& kernels) {
  GemmCase c({}, 1, 1, 2, Numbers::Small);
  c.a = {1 + 0x1p-23f, (1 + 0x1p-15f) * 0x1p-12f};
  c.b = {1.0f, (1 - 0x1p-15f) * 0x1p-12f};
  c.gemm.a.data = c.a.data(), c.gemm.b.data = c.b.data();
  compare_gemm(kernels, c, {1, 1});
  CHECK(c.out[0] == 1 + 0x1p-23f);
}

// Every kind, register and way of scaling, and every preset; numbers that are hard to sum, and special ones.
inline void compare_gemms(const Kernels& kernels) {
  std::vector<std::string> accumulators = {"every:format=e8m13,rounding=sr,random=11",
                                           "every:format=fp32,rounding=rne",
                                           "every:format=e5m10:subnormals=flush,bias=14,rounding=rup",
                                           "chunk:size=5,format=fp16",
                                           "chunk:size=8,format=bf16,rounding=sr,inner=same",
                                           "tensor-core:align=value,promote=16",
                                           "tensor-core:align=operands,bits=25,group=8,promote=0,rounding=rne",
                                           "tensor-core:align=operands,register=added,split=3,group=4,promote=8",
                                           "tensor-core:align=operands,scales=terms,group=16",
                                           "tensor-core:align=operands,scales=groups,group=32,bits=36",
                                           "matrix-core:bits=25,group=8,halves=1",
                                           "matrix-core:bits=30,group=8,halves=2"};
  for (const PresetAccumulator& preset : preset_accumulators()) accumulators.emplace_back(preset.name);
  std::size_t turn = 0;
  for (const std::string& text : accumulators) {
    const Accumulator accumulator = parse_accumulator(text);
    if (accumulator.kind == AccumulatorKind::Native) continue;
    for (const Numbers kind : {Numbers::Small, Numbers::Wide, Numbers::Hard, Numbers::Special}) {
      ++turn;
      const std::int64_t whole = accumulator.block_scales == BlockScales::Terms ? accumulator.group : 16;
      const bool scaled = accumulator.split == 1 && turn % 3 != 0;
      GemmCase c(accumulator, 3, 5, 37, kind, scaled ? whole : 0);
      c.gemm.first_element = 15, c.gemm.elements = 40;
      c.gemm.a.emin = turn % 2 == 0 ? -6 : -126, c.gemm.alpha = turn % 5 == 0 ? 0.3f : 1.0f;
      INFO(text << ", numbers " << static_cast<int>(kind));
      compare_gemm(kernels, c, kLaunches[turn % kLaunches.size()]);
    }
  }
}

}  // namespace precipice::test
