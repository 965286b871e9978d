// SPDX-License-Identifier: Apache-2.0
// What the tests of scaling share: seeded inputs of every kind that recipes distinguish, and one call that quantizes
// and dequantizes.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "precision/scaling/block_quantize.h"
#include "precision/scaling/quantizer_settings.h"
#include "tests/precision/rounding/support.h"
#include "tests/support/catch.h"

namespace precipice::test {

inline constexpr float kInfF = std::numeric_limits<float>::infinity();
inline constexpr float kNanF = std::numeric_limits<float>::quiet_NaN();

struct Quantized {
  std::vector<float> values, scales, multipliers, dequantized;
  EventCounts counts;
};

inline Quantized quantize_all(const std::vector<float>& in, const MatrixShape& shape, const QuantizerSettings& spec,
                              const RandomKey& key = {}, const ScaleState& state = {}) {
  Quantized result;
  const auto blocks = static_cast<std::size_t>(block_grid(spec, shape).count());
  result.values.resize(in.size());
  result.dequantized.resize(in.size());
  result.scales.resize(blocks);
  result.multipliers.resize(blocks);
  result.counts = quantize_matrix(in.data(), shape, spec, key,
                                  {result.values.data(), result.scales.data(), result.multipliers.data()}, state);
  dequantize_matrix(result.values.data(), shape, spec, result.scales.data(), result.multipliers.data(),
                    result.dequantized.data());
  return result;
}

// One block as a matrix of one row.
inline Quantized quantize_block(const std::vector<float>& x, QuantizerSettings spec) {
  if (spec.kind == ScaleKind::Block) spec.block_along = static_cast<std::int64_t>(x.size());
  return quantize_all(x, {1, static_cast<std::int64_t>(x.size()), 1}, spec);
}

inline QuantizerSettings block_spec(const char* element, ScaleRule rule, Arithmetic arithmetic, std::int64_t along) {
  QuantizerSettings spec;
  spec.format = parse_float_format(element);
  spec.kind = ScaleKind::Block;
  spec.rule = rule;
  spec.arithmetic = arithmetic;
  spec.block_along = along;
  return spec;
}

// Approximately standard normal, the same on every machine: a sum of twelve uniform numbers.
inline float normal(Stream& stream) {
  float sum = -6.0f;
  for (int i = 0; i < 12; ++i) sum += static_cast<float>(stream.next() >> 8) * 0x1p-24f;
  return sum;
}

inline const std::vector<std::string> kInputKinds = {"normal",          "tiny",        "huge",        "heavy-tailed",
                                                     "outlier channel", "zero blocks", "edges",       "bf16",
                                                     "subnormal",       "powers",      "nan and inf", "any bits"};

// rows x cols numbers of a kind; every 16th column of "outlier channel" is 2^7 times larger, "zero blocks" has whole
// stretches of zeros of both signs, "edges" numbers within a few ulp of powers of two and of format limits.
inline std::vector<float> inputs_of(const std::string& kind, std::int64_t rows, std::int64_t cols,
                                    std::uint64_t seed = 1) {
  Stream stream{seed * 1000 + kind.size()};
  std::vector<float> x(static_cast<std::size_t>(rows * cols));
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float n = normal(stream);
    const std::uint32_t bits = stream.next();
    const int spread = static_cast<int>(bits % 61) - 30;
    x[i] = n;
    if (kind == "tiny") x[i] = n * 0x1p-118f * std::ldexp(1.0f, spread / 4);
    if (kind == "huge") x[i] = n * 0x1p122f * std::ldexp(1.0f, spread / 8);
    if (kind == "heavy-tailed") x[i] = n * n * n * std::ldexp(1.0f, spread / 3);
    if (kind == "outlier channel") x[i] = n * (i % 16 == 3 ? 128.0f : 1.0f);
    if (kind == "zero blocks") x[i] = i / 48 % 2 == 0 ? (bits % 2 == 0 ? 0.0f : -0.0f) : n;
    if (kind == "edges") {
      const float limits[] = {1.0f, 448.0f, 57344.0f, 28.0f, 7.5f, 6.0f, 1.75f, 1.9375f, 127.0f};
      const float edge = std::ldexp(limits[bits % 9], static_cast<int>(bits >> 8) % 60 / 4 - 7);
      x[i] = float_of(bits_of(edge) + bits % 7 - 3) * (n < 0.0f ? -1.0f : 1.0f);
    }
    if (kind == "bf16") x[i] = float_of(bits_of(n) & 0xFFFF0000u);
    if (kind == "subnormal") x[i] = float_of(bits & 0x80FFFFFFu);
    if (kind == "powers") x[i] = std::ldexp(n < 0.0f ? -1.0f : 1.0f, spread / 2);
    if (kind == "nan and inf") {
      if (bits % 97 == 0) x[i] = kNanF;
      if (bits % 97 == 1) x[i] = n < 0.0f ? -kInfF : kInfF;
    }
    if (kind == "any bits") x[i] = float_of((bits & 0xFF800000u) == 0x7F800000u ? bits & 0x7FFFFFu : bits);
  }
  return x;
}

// Elements of block (i, j) of a matrix in row-major order.
inline std::vector<float> block_of(const std::vector<float>& x, const MatrixShape& shape, const BlockGrid& grid,
                                   std::int64_t i, std::int64_t j) {
  std::vector<float> block;
  for (std::int64_t r = i * grid.block_rows; r < std::min(shape.rows, (i + 1) * grid.block_rows); ++r) {
    for (std::int64_t c = j * grid.block_cols; c < std::min(shape.cols, (j + 1) * grid.block_cols); ++c)
      block.push_back(x[static_cast<std::size_t>(r * shape.cols + c)]);
  }
  return block;
}

inline int count_differences(const std::vector<float>& a, const std::vector<float>& b) {
  int count = a.size() == b.size() ? 0 : 1000000;
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) count += !same(a[i], b[i]);
  return count;
}

// Quantizes a matrix of every kind of input, both ways round, and compares each block with reference(block elements,
// whole input): values, what they stand for and the scale, bit for bit.
template <class Reference>
void check_blocks(const QuantizerSettings& spec, std::int64_t rows, std::int64_t cols, Reference reference) {
  for (const std::string& kind : kInputKinds) {
    std::vector<float> in = inputs_of(kind, rows, cols);
    for (const int contraction : {1, 0}) {
      const MatrixShape shape{rows, cols, contraction};
      const BlockGrid grid = block_grid(spec, shape);
      const Quantized got = quantize_all(in, shape, spec);
      int values = 0, dequantized = 0, scales = 0;
      for (std::int64_t i = 0; i < grid.grid_rows; ++i) {
        for (std::int64_t j = 0; j < grid.grid_cols; ++j) {
          const auto expected = reference(block_of(in, shape, grid, i, j), in);
          values += count_differences(block_of(got.values, shape, grid, i, j), expected.q);
          dequantized += count_differences(block_of(got.dequantized, shape, grid, i, j), expected.dq);
          scales += !same(got.scales[static_cast<std::size_t>(i * grid.grid_cols + j)], expected.scale);
        }
      }
      INFO(kind << ", contraction axis " << contraction << ", " << to_string(spec.format) << " "
                << to_string(spec.arithmetic) << " " << to_string(spec.rule));
      CHECK(scales == 0);
      CHECK(values == 0);
      CHECK(dequantized == 0);
    }
  }
}

}  // namespace precipice::test
