// SPDX-License-Identifier: Apache-2.0
// Quantizing matrices, apart from the formulas of scales: which elements share one, either axis, ragged ends, random
// words, counts, ranges of rows, every instruction set, properties that must hold, and what is refused.
#include "precision/scaling/block_quantize.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "precision/base/check.h"
#include "precision/kernels/isa.h"
#include "precision/scaling/quantizer_settings.h"
#include "tests/precision/kernels/isas.h"
#include "tests/precision/scaling/scaling_support.h"
#include "tests/support/catch.h"
#include "tests/support/reference_scaling.h"

namespace precipice::test {
namespace {

QuantizerSettings spec_of(ScaleKind kind, std::int64_t across = 1, std::int64_t along = 32,
                          const char* element = "e4m3", Rounding rounding = Rounding::NearestEven) {
  QuantizerSettings spec;
  spec.format = parse_float_format(element);
  spec.kind = kind;
  spec.block_across = across;
  spec.block_along = along;
  spec.rounding = rounding;
  return spec;
}

const std::vector<QuantizerSettings>& all_shapes() {
  static const std::vector<QuantizerSettings> specs = [] {
    std::vector<QuantizerSettings> list;
    for (const Rounding rounding : {Rounding::NearestEven, Rounding::TowardZero, Rounding::Stochastic}) {
      for (const char* element : {"e4m3", "e5m2", "int8twos"}) {
        for (const ScaleKind kind :
             {ScaleKind::None, ScaleKind::Fixed, ScaleKind::Tensor, ScaleKind::Row, ScaleKind::Column})
          list.push_back(spec_of(kind, 1, 32, element, rounding));
        for (const auto& [across, along] : {std::pair{1, 1}, {1, 7}, {1, 32}, {5, 3}, {16, 16}, {1, 4096}, {128, 128}})
          list.push_back(spec_of(ScaleKind::Block, across, along, element, rounding));
      }
    }
    for (QuantizerSettings& spec : list) spec.fixed = 3.0f;
    return list;
  }();
  return specs;
}

std::string name_of(const QuantizerSettings& spec) {
  return join_parts(to_string(spec.kind), " ", spec.block_across, "x", spec.block_along, " ", to_string(spec.format),
                    " ", to_string(spec.rounding));
}

std::vector<float> transposed(const std::vector<float>& x, std::int64_t rows, std::int64_t cols) {
  std::vector<float> out(x.size());
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < cols; ++c)
      out[static_cast<std::size_t>(c * rows + r)] = x[static_cast<std::size_t>(r * cols + c)];
  }
  return out;
}

}  // namespace

TEST_CASE("every element has the scale of its block, its own random word and the rounding of the oracle") {
  const RandomKey key{11, 5, 3, 2};
  for (const QuantizerSettings& spec : all_shapes()) {
    for (const auto& [rows, cols] : {std::pair<std::int64_t, std::int64_t>{33, 71}, {1, 2500}, {130, 5}}) {
      const std::vector<float> in = inputs_of("heavy-tailed", rows, cols);
      for (const int contraction : {0, 1}) {
        const MatrixShape shape{rows, cols, contraction};
        const Quantized got = quantize_all(in, shape, spec, key);
        const std::int64_t across = spec.kind == ScaleKind::Block ? spec.block_across
                                    : spec.kind == ScaleKind::Row ? 1
                                                                  : 1 << 20;
        const std::int64_t along = spec.kind == ScaleKind::Block    ? spec.block_along
                                   : spec.kind == ScaleKind::Column ? 1
                                                                    : 1 << 20;
        const std::int64_t block_rows = contraction == 1 ? across : along,
                           block_cols = contraction == 1 ? along : across;
        const std::int64_t per_row = (cols + block_cols - 1) / block_cols;
        std::vector<double> amaxes(got.scales.size(), 0.0);
        for (int pass = 0; pass < 2; ++pass) {
          int wrong = 0;
          for (std::int64_t r = 0; r < rows; ++r) {
            for (std::int64_t c = 0; c < cols; ++c) {
              const auto i = static_cast<std::size_t>(r * cols + c);
              const auto b = static_cast<std::size_t>(r / block_rows * per_row + c / block_cols);
              if (pass == 0) amaxes[b] = std::max(amaxes[b], std::fabs(static_cast<double>(in[i])));
              const double max = reference::max_finite(spec.format);
              double s = amaxes[b] == 0.0 ? 1.0 : reference::fl(max / amaxes[b]);
              if (spec.kind == ScaleKind::None) s = 1.0;
              if (spec.kind == ScaleKind::Fixed) s = 3.0;
              if (pass == 0) continue;
              const float expected = reference::round(spec.format, spec.rounding, Overflow::Saturate,
                                                      static_cast<float>(in[i] * s), random_word(key, i));
              wrong += !same(got.values[i], expected);
              wrong += !same(got.dequantized[i], static_cast<float>(expected * reference::fl(1.0 / s)));
            }
          }
          INFO(name_of(spec) << " " << rows << "x" << cols << " axis " << contraction);
          CHECK(wrong == 0);
        }
      }
    }
  }
}

TEST_CASE("contraction down the columns is contraction along the rows of the transpose") {
  for (const QuantizerSettings& spec : all_shapes()) {
    if (is_stochastic(spec.rounding)) continue;  // elements are numbered as the model holds the tensor
    for (const char* kind : {"normal", "nan and inf", "zero blocks"}) {
      const std::vector<float> in = inputs_of(kind, 45, 50);
      const Quantized down = quantize_all(in, {45, 50, 0}, spec);
      const Quantized along = quantize_all(transposed(in, 45, 50), {50, 45, 1}, spec);
      INFO(name_of(spec) << " " << kind);
      CHECK(count_differences(transposed(down.values, 45, 50), along.values) == 0);
      CHECK(count_differences(transposed(down.dequantized, 45, 50), along.dequantized) == 0);
      CHECK(down.counts.saturated == along.counts.saturated);
      CHECK(down.counts.underflowed == along.counts.underflowed);
    }
  }
}

TEST_CASE("counts of a scaled matrix are those of its elements one by one") {
  std::vector<QuantizerSettings> specs = all_shapes();
  for (const Arithmetic arithmetic : {Arithmetic::Torchao, Arithmetic::Microxcaling, Arithmetic::MicroxcalingCuda})
    specs.push_back(block_spec("e4m3", ScaleRule::Floor, arithmetic, 10));
  specs.push_back(block_spec("e2m1", ScaleRule::Rceil, Arithmetic::DeepGemm, 10));
  specs.push_back(block_spec("e2m1", ScaleRule::Nvfp4, Arithmetic::Te, 10));
  for (const QuantizerSettings& spec : specs) {
    for (const char* kind : {"nan and inf", "tiny", "any bits", "zero blocks"}) {
      const std::vector<float> in = inputs_of(kind, 30, 60);
      const Quantized got = quantize_all(in, {30, 60, 1}, spec);
      const float min_normal = spec.format.is_fixed_point() ? 0.0f : spec.format.min_normal();
      std::uint64_t nans = 0, underflowed = 0, subnormal = 0, overflowed = 0, ends = 0;
      const bool hides_nan = spec.rule == ScaleRule::Nvfp4 || spec.arithmetic == Arithmetic::DeepGemm;
      for (std::size_t i = 0; i < in.size(); ++i) {
        const float q = got.values[i];
        nans += is_nan(in[i]);
        underflowed += in[i] != 0.0f && !is_nan(in[i]) && q == 0.0f;
        subnormal += q != 0.0f && std::fabs(q) < min_normal;
        overflowed += !is_nan(in[i]) && !std::isfinite(q);
        ends += std::fabs(q) >= spec.format.max_finite();
      }
      INFO(name_of(spec) << " " << to_string(spec.arithmetic) << " " << kind);
      CHECK(got.counts.total == in.size());
      CHECK(got.counts.nan_in == nans);
      CHECK(got.counts.subnormal == subnormal);
      CHECK(got.counts.saturated <= ends);
      CHECK(same(got.counts.amax, static_cast<float>(reference::amax_of(in))));
      if (hides_nan) continue;  // a product that is NaN shows in their values as a number
      CHECK(got.counts.underflowed == underflowed);
      CHECK(got.counts.overflowed == overflowed);
    }
  }
}

TEST_CASE("ranges of rows, in any order, give what one call gives") {
  std::vector<QuantizerSettings> specs = all_shapes();
  QuantizerSettings rotated = block_spec("e2m1", ScaleRule::Nvfp4, Arithmetic::Te, 16);
  rotated.hadamard = rotated.row_scaled = true;
  rotated.rounding = Rounding::Stochastic;
  specs.push_back(rotated);
  const RandomKey key{1, 2, 3, 4};
  for (const QuantizerSettings& spec : specs) {
    for (const int contraction : {0, 1}) {
      const MatrixShape shape{96, 64, contraction};
      const std::vector<float> in = inputs_of("heavy-tailed", 96, 64);
      const Quantized whole = quantize_all(in, shape, spec, key);
      MatrixPlan plan(spec, shape);
      std::vector<float> values(in.size()), scales(whole.scales.size()), multipliers(whole.scales.size());
      const MatrixOutputs outputs{values.data(), scales.data(), multipliers.data()};
      const auto in_two = [&](auto f) {
        const std::int64_t cut = std::min<std::int64_t>(96, (40 / plan.row_step() + 1) * plan.row_step());
        f(cut, 96);
        f(0, cut);
      };
      const float* source = in.data();
      if (spec.hadamard) {
        in_two([&](std::int64_t first, std::int64_t last) { plan.rotate(in.data(), values.data(), first, last); });
        source = values.data();
      }
      std::vector<std::int32_t> patterns(static_cast<std::size_t>(plan.measured_size()));
      in_two([&](std::int64_t first, std::int64_t last) { plan.measure_amaxes(source, first, last, patterns.data()); });
      plan.finish_scales(patterns.data(), outputs);
      EventCounts counts;
      in_two([&](std::int64_t first, std::int64_t last) {
        counts += plan.quantize_rows(source, first, last, key, outputs);
      });
      INFO(name_of(spec) << " axis " << contraction);
      CHECK(count_differences(values, whole.values) == 0);
      CHECK(count_differences(scales, whole.scales) == 0);
      CHECK(counts.total == whole.counts.total);
      CHECK(counts.underflowed == whole.counts.underflowed);
    }
  }
}

TEST_CASE("an amax is the largest magnitude of its block, whatever the widths of blocks and vectors") {
  const std::vector<float> in = inputs_of("any bits", 16, 301);
  for (const Isa& isa : test::available_isas())
    for (const std::size_t width : {1, 2, 3, 4, 7, 8, 15, 16, 17, 24, 32, 33, 64, 100, 300, 4096, 5000})
      for (const std::size_t cols : {0, 1, 5, 16, 31, 32, 257, 512, 4816}) {
        const std::size_t blocks = (cols + width - 1) / width;
        // What was measured before counts as well.
        std::vector<std::int32_t> patterns(blocks + 1, 5);
        for (std::size_t block = 0; block < blocks; block += 3) patterns[block] = 0x7F7FFFFF;
        std::vector<std::int32_t> expected = patterns;
        for (std::size_t i = 0; i < cols; ++i)
          expected[i / width] =
              std::max(expected[i / width], std::bit_cast<std::int32_t>(in[i]) & std::int32_t{0x7FFFFFFF});
        isa.kernels->blocks.amax_of_blocks(in.data(), static_cast<std::int64_t>(cols), static_cast<std::int64_t>(width),
                                           patterns.data());
        INFO(isa.name << ", " << cols << " in blocks of " << width);
        CHECK(patterns == expected);
      }
}

TEST_CASE("errors of 4over6 are those of E2M1 with its end at 6, NaN where the number is") {
  std::vector<float> in = inputs_of("any bits", 16, 301);
  for (std::size_t i = 0; i < 64; ++i) in[i] = 0.125f * static_cast<float>(i) * (i % 3 == 0 ? -1.0f : 1.0f);
  const auto size = static_cast<std::int64_t>(in.size());
  const FormatConstants e2m1 = prepare({2, 1, 1, Specials::Finite}, Overflow::Saturate);
  const std::vector<float> multipliers(in.size(), 1.5f), scales(in.size(), 0.7f);
  for (const Isa& isa : test::available_isas())
    for (const bool squared : {false, true}) {
      std::vector<float> errors(in.size()), expected(in.size());
      isa.kernels->blocks.nvfp4_errors(in.data(), size, multipliers.data(), scales.data(), 3.0f, 2688.0f, squared,
                                       errors.data());
      for (std::size_t i = 0; i < in.size(); ++i) {
        const float y = in[i] * 1.5f, bounded = std::isnan(y) ? y : std::clamp(y, -6.0f, 6.0f);
        const float q = std::isnan(y) ? y : round_to_format<Rounding::NearestEven>(bounded, e2m1);
        const float difference = q * 0.7f * 3.0f / 2688.0f - in[i];
        expected[i] = squared ? difference * difference : std::abs(difference);
      }
      INFO(isa.name << (squared ? ", squared" : ""));
      CHECK(count_differences(errors, expected) == 0);
    }
}

TEST_CASE("the loops of block scaling give the same bits on every instruction set") {
  const std::vector<float> in = inputs_of("any bits", 16, 301), multipliers = inputs_of("powers", 16, 301);
  const auto run = [&](const QuantizeKernels& kernels) {
    std::vector<float> results;
    const auto keep = [&](const std::vector<float>& out) { results.insert(results.end(), out.begin(), out.end()); };
    std::vector<float> out(in.size());
    for (const std::int64_t width : {1, 2, 7, 16, 32, 64, 300, 4096}) {
      std::vector<std::int32_t> patterns(in.size(), 5);
      kernels.blocks.amax_of_blocks(in.data(), 4816, width, patterns.data());
      for (std::size_t i = 0; i < in.size(); ++i) out[i] = float_of(static_cast<std::uint32_t>(patterns[i]));
      keep(out);
    }
    kernels.blocks.rotate_row(in.data(), out.data(), 301);
    keep(out);
    kernels.blocks.rotate_columns(in.data(), out.data(), 301, 301);
    keep(out);
    kernels.blocks.to_bf16(in.data(), out.data(), 4816);
    keep(out);
    for (const bool in_bf16 : {false, true}) {
      for (const int rounding : {0, 1, 2}) {
        const MicroxcalingElement elements[] = {{-6, false, 3, 448.0f, 0x1p-6f, rounding},
                                                {-14, false, 18, 65504.0f, 0x1p-14f, rounding},
                                                {0, true, 6, 127.0f / 64.0f, 0x1p-6f, rounding}};
        for (const MicroxcalingElement& element : elements) {
          const EventCounts counts =
              kernels.blocks.microxcaling(in.data(), out.data(), 4816, multipliers.data(), element, in_bf16);
          keep(out);
          results.push_back(static_cast<float>(counts.underflowed + 3 * counts.saturated + 5 * counts.subnormal));
        }
      }
    }
    for (const bool squared : {false, true}) {
      for (const std::int64_t size : {4816, 4813, 3}) {
        std::fill(out.begin(), out.end(), 99.0f);
        kernels.blocks.nvfp4_errors(in.data(), size, multipliers.data(), multipliers.data(), 3.0f, 2688.0f, squared,
                                    out.data());
        keep(out);
      }
    }
    std::vector<float> multiply(in.size()), inverse(in.size());
    kernels.blocks.nvfp4_scales(in.data(), 4816, {0.7f, 3.0f, 1.0f / 2688.0f}, out.data(), multiply.data(),
                                inverse.data());
    keep(out), keep(multiply), keep(inverse);
    kernels.blocks.deepgemm_fp4(in.data(), out.data(), 4816, multipliers.data());
    keep(out);
    for (const bool divide : {false, true}) {
      for (const Rounding rounding : all_roundings()) {
        QuantizeCall call =
            prepare_call(in.data(), out.data(), 4816, {parse_float_format("e4m3"), rounding}, 1.0f, {}, 3);
        call.multipliers = multipliers.data();
        call.divide = divide;
        const EventCounts counts = kernels.quantize(call);
        keep(out);
        results.push_back(static_cast<float>(counts.underflowed + 3 * counts.saturated + 5 * counts.overflowed));
      }
    }
    return results;
  };
  const std::vector<float> expected = run(*choose_isa("generic").kernels);
  for (const Isa& isa : available_isas()) {
    INFO(isa.name);
    CHECK(count_differences(run(*isa.kernels), expected) == 0);
  }
}

TEST_CASE("scaling a matrix by a power of two scales its results by it and leaves grid values alone") {
  for (const char* name : {"normal", "heavy-tailed", "zero blocks", "bf16"}) {
    const std::vector<float> in = inputs_of(name, 32, 64);
    std::vector<float> larger = in;
    for (float& x : larger) x *= 64.0f;
    std::vector<QuantizerSettings> specs;
    for (const ScaleRule rule : {ScaleRule::Floor, ScaleRule::Ceil, ScaleRule::Rceil, ScaleRule::Even})
      specs.push_back(block_spec("e4m3", rule, Arithmetic::Torchao, 32));
    specs.push_back(block_spec("e4m3", ScaleRule::Amax, Arithmetic::Te, 16));
    specs.push_back(block_spec("e2m1", ScaleRule::Nvfp4, Arithmetic::Te, 16));
    specs.push_back(block_spec("e2m1", ScaleRule::Nvfp4, Arithmetic::Torchao, 16));
    specs.push_back(spec_of(ScaleKind::Tensor));
    specs.push_back(spec_of(ScaleKind::Row, 1, 1, "e5m2"));
    for (const QuantizerSettings& spec : specs) {
      const Quantized a = quantize_all(in, {32, 64, 1}, spec), b = quantize_all(larger, {32, 64, 1}, spec);
      std::vector<float> expected = a.dequantized;
      for (float& x : expected) x *= 64.0f;
      INFO(name << " " << to_string(spec.arithmetic) << " " << to_string(spec.rule));
      CHECK(count_differences(a.values, b.values) == 0);
      CHECK(count_differences(expected, b.dequantized) == 0);
    }
  }
}

TEST_CASE("blocks that change places take their values and scales along") {
  for (const QuantizerSettings& spec : {block_spec("e4m3", ScaleRule::Floor, Arithmetic::Microxcaling, 32),
                                        block_spec("e2m1", ScaleRule::Nvfp4, Arithmetic::Te, 32),
                                        block_spec("e4m3", ScaleRule::Amax, Arithmetic::DeepGemm, 32)}) {
    std::vector<float> in = inputs_of("heavy-tailed", 1, 32 * 40);
    const Quantized before = quantize_all(in, {1, 32 * 40, 1}, spec);
    std::vector<float> moved = in;
    std::rotate(moved.begin(), moved.begin() + 32 * 13, moved.end());
    const Quantized after = quantize_all(moved, {1, 32 * 40, 1}, spec);
    std::vector<float> values = before.values, scales = before.scales;
    std::rotate(values.begin(), values.begin() + 32 * 13, values.end());
    std::rotate(scales.begin(), scales.begin() + 13, scales.end());
    CHECK(count_differences(values, after.values) == 0);
    CHECK(count_differences(scales, after.scales) == 0);
  }
}

TEST_CASE("what a power-of-two scale gave is given again by it") {
  for (const ScaleRule rule : {ScaleRule::Floor, ScaleRule::Ceil, ScaleRule::Rceil}) {
    for (const char* element : {"e4m3", "e5m2", "e2m1", "e3m2"}) {
      const QuantizerSettings spec = block_spec(element, rule, Arithmetic::Torchao, 32);
      const std::vector<float> once = quantize_all(inputs_of("normal", 32, 64), {32, 64, 1}, spec).dequantized;
      CHECK(count_differences(quantize_all(once, {32, 64, 1}, spec).dequantized, once) == 0);
    }
  }
}

TEST_CASE(
    "a matrix of no rows or no columns is quantized to nothing, in place works, delayed scales are taken as given") {
  for (const QuantizerSettings& spec : all_shapes()) {
    CHECK(quantize_all({}, {0, 7, 1}, spec).counts.total == 0);
    CHECK(quantize_all({}, {7, 0, 0}, spec).counts.total == 0);
    std::vector<float> x = inputs_of("normal", 20, 30);
    const Quantized apart = quantize_all(x, {20, 30, 0}, spec);
    std::vector<float> scales(apart.scales.size());
    quantize_matrix(x.data(), {20, 30, 0}, spec, {}, {x.data(), scales.data(), nullptr});
    CHECK(count_differences(x, apart.values) == 0);
  }
  QuantizerSettings delayed = spec_of(ScaleKind::Tensor);
  delayed.delayed = DelayedRule{};
  const Quantized got = quantize_all({3.0f, 1000.0f}, {1, 2, 1}, delayed, {}, {4.0f, 1.0f});
  CHECK(got.values == std::vector<float>{12.0f, 448.0f});
  CHECK(got.scales[0] == 0.25f);
}

TEST_CASE(
    "torchao refuses blocks that do not fill the matrix, the others pad; impossible combinations name their key") {
  const auto refuses = [](QuantizerSettings spec, const char* what) {
    CHECK_THROWS_WITH(quantizer_of(spec), Catch::Contains(what));
  };
  QuantizerSettings spec = block_spec("e4m3", ScaleRule::Floor, Arithmetic::Torchao, 32);
  CHECK_THROWS_WITH(block_grid(spec, {5, 40, 1}), Catch::Contains("1x32") && Catch::Contains("5x40"));
  spec.arithmetic = Arithmetic::Microxcaling;
  CHECK(block_grid(spec, {5, 40, 1}).count() == 10);
  CHECK(block_grid(spec, {5, 40, 0}).count() == 40);
  spec.rule = ScaleRule::Ceil;
  refuses(spec, "rule = ceil");
  refuses(block_spec("e4m3", ScaleRule::Nvfp4, Arithmetic::Te, 16), "element = e4m3");
  refuses(block_spec("bf16", ScaleRule::Floor, Arithmetic::Microxcaling, 32), "element = bf16");
  spec = block_spec("e4m3", ScaleRule::Floor, Arithmetic::Microxcaling, 32);
  spec.rounding = Rounding::Stochastic;
  refuses(spec, "rounding = sr");
  spec = block_spec("e4m3", ScaleRule::Amax, Arithmetic::MsAmp, 32);
  refuses(spec, "scale = block");
  spec = spec_of(ScaleKind::Block, 0, 32);
  refuses(spec, "block = 0x32");
  spec = spec_of(ScaleKind::Fixed);
  spec.fixed = kInfF;
  refuses(spec, "fixed");
  spec = spec_of(ScaleKind::Row);
  spec.delayed = DelayedRule{};
  refuses(spec, "delayed scaling");
  spec.delayed.reset();
  spec.two_level = false;
  refuses(spec, "two_level");
  spec.two_level = true;
  spec.four_over_six_max = 300;
  refuses(spec, "four_over_six_max = 300");
  spec.four_over_six_max = 448;
  spec.flush_subnormal_blocks = true;
  refuses(spec, "flush_subnormal_blocks");
  CHECK_THROWS_WITH(parse_arithmetic("microxcalin"), Catch::Contains("did you mean microxcaling?"));
  CHECK_THROWS_WITH(parse_scale_rule("rciel"), Catch::Contains("rceil"));
}

}  // namespace precipice::test
