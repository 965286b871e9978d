// SPDX-License-Identifier: Apache-2.0
// Products for the tests of emulated accumulators: operands that are hard to sum, and one output in exact integers.
#pragma once

#include <algorithm>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "precision/accumulator/accumulate_isa.h"
#include "precision/base/check.h"
#include "precision/format/format_codes.h"
#include "precision/kernels/quantize_isa.h"
#include "tests/precision/kernels/isas.h"
#include "tests/precision/rounding/support.h"
#include "tests/support/exact_sum.h"

namespace precipice::test {

enum class Numbers { Small, Twelve, Thirteen, Wide, Hard, Special };

// Small: e4m3's values, zeros and subnormals among them. Twelve, Thirteen: so many bits, at the edge of exact products
// in binary32. Wide: all 24 bits, 40 binades. Hard: everything finite: the ends of binary32, its subnormals, powers of
// two that make ties, neighbours that cancel. Special: NaN and infinity too.
inline std::vector<float> numbers(Numbers kind, std::size_t size, std::uint64_t seed) {
  Stream stream{seed};
  std::vector<float> values(size);
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> hard = {0.0f,      -0.0f,    1.0f,     -1.0f,    0x1p100f, -0x1p100f, 0x1p-100f, 1e-44f,
                                   -1e-45f,   0x1p-11f, 0x1p-12f, 0x1p-13f, 0x1p-14f, 0x1p-23f,  -0x1p-24f, 0x1p-25f,
                                   0x1p-126f, 3e38f,    -3.4e38f, 2049.0f,  -2047.0f, 0x1p64f,   0x1p63f,   -0x1p64f};
  const FloatFormat e4m3 = parse_float_format("e4m3");
  for (std::size_t i = 0; i < size; ++i) {
    const std::uint32_t bits = stream.next(), choice = stream.next();
    const std::uint32_t field = 127 - 20 + (bits >> 24) % 40;
    values[i] = float_of((bits & 0x807FFFFFu) | (field << 23));
    if (kind == Numbers::Twelve) values[i] = float_of(bits_of(values[i]) & ~0xFFFu);
    if (kind == Numbers::Thirteen) values[i] = float_of(bits_of(values[i]) & ~0x7FFu);
    if (kind == Numbers::Small) {
      values[i] = decode(e4m3, bits % 256);
      if (is_nan(values[i])) values[i] = 0.0f;
    }
    if (kind == Numbers::Hard || kind == Numbers::Special) {
      if (choice % 4 == 0) values[i] = hard[(choice >> 8) % hard.size()];
      if (choice % 4 == 1 && i > 0) values[i] = -values[i - 1];
      if (choice % 4 == 2) values[i] = float_of((127u << 23) | (1u << (choice >> 8) % 23));
    }
    if (kind == Numbers::Special && (choice >> 16) % 40 == 0)
      values[i] = (choice >> 24) % 3 == 0 ? float_of(0xFFC00123u) : (choice & 4) != 0 ? inf : -inf;
  }
  return values;
}

// A product and the memory behind it.
struct GemmCase {
  std::vector<float> a, b, scales_a, scales_b;
  std::vector<float> out;
  EmulatedGemm gemm;

  GemmCase(const Accumulator& accumulator, std::int64_t m, std::int64_t n, std::int64_t k, Numbers kind,
           std::int64_t scale_block = 0)
      : a(numbers(kind, static_cast<std::size_t>(m * k), 3)),
        b(numbers(kind == Numbers::Thirteen ? Numbers::Twelve : kind, static_cast<std::size_t>(n * k), 4)),
        out(static_cast<std::size_t>(m * n)) {
    gemm.accumulator = accumulator;
    gemm.m = m, gemm.n = n, gemm.k = k;
    gemm.a = {a.data(), k, 1, {}};
    gemm.b = {b.data(), k, 1, {}};
    gemm.out = out.data(), gemm.out_stride = n;
    gemm.key = {77, 5, 2, 1};
    gemm.scale_block = scale_block;
    if (scale_block == 0) return;
    const std::int64_t blocks = (k + scale_block - 1) / scale_block;
    Stream stream{9};
    const auto scale = [&] { return float_of((stream.next() & 0x7FFFFFu) | ((120u + stream.next() % 14) << 23)); };
    for (std::int64_t i = 0; i < m * blocks; ++i) scales_a.push_back(scale());
    for (std::int64_t i = 0; i < (n / 2 + 1) * blocks; ++i) scales_b.push_back(scale());
    gemm.a.scales = {scales_a.data(), 1, blocks, 1};
    gemm.b.scales = {scales_b.data(), 2, 1, n / 2 + 1};
  }
  GemmCase(const GemmCase&) = delete;
};

// One output from the text of accumulator.h, in integers.
class ExactOutput {
 public:
  ExactOutput(const EmulatedGemm& gemm, std::int64_t m, std::int64_t n) : gemm_(gemm), m_(m), n_(n) {}

  float result() const {
    const Accumulator& accumulator = gemm_.accumulator;
    float total = 0.0f;
    std::int64_t segments = 0;
    for (std::int64_t begin = 0; begin < gemm_.k;) {
      // The next segment ends at the nearest of its three ends.
      const std::int64_t block = gemm_.scale_block > 0 ? begin / gemm_.scale_block : 0;
      const std::int64_t start = block * gemm_.scale_block;
      std::int64_t end = gemm_.k;
      if (gemm_.scale_block > 0) end = std::min(end, start + gemm_.scale_block);
      const bool is_chunk = accumulator.kind == AccumulatorKind::Chunk;
      std::int64_t length = is_chunk ? accumulator.chunk : 0;
      if (accumulator.kind == AccumulatorKind::TensorCore) length = accumulator.promote;
      if (length > 0) end = std::min(end, start + ((begin - start) / length + 1) * length);

      const float sum =
          accumulator.kind == AccumulatorKind::TensorCore ? tensor_core(begin, end) : register_of(begin, end);
      float scale = 1.0f;
      if (gemm_.a.scales.data != nullptr)
        scale = static_cast<float>(static_cast<double>(scale_of(gemm_.a.scales, m_, block)) *
                                   static_cast<double>(scale_of(gemm_.b.scales, n_, block)));
      total = add(total, scale, sum, is_chunk, gemm_.k + segments++);
      begin = end;
    }
    return is_nan(total) ? float_of(0x7FC00000u) : total;
  }

 private:
  float a(std::int64_t k) const { return gemm_.a.data[m_ * gemm_.a.row_stride + k * gemm_.a.k_stride]; }
  float b(std::int64_t k) const { return gemm_.b.data[n_ * gemm_.b.row_stride + k * gemm_.b.k_stride]; }
  static float scale_of(const OperandScales& scales, std::int64_t row, std::int64_t block) {
    return scales.data[row / scales.rows_per_scale * scales.row_stride + block * scales.block_stride];
  }

  // round(sum + x y), to F or to binary32.
  float add(float sum, float x, float y, bool to_format, std::int64_t number) const {
    const Accumulator& accumulator = gemm_.accumulator;
    const FloatFormat format = to_format ? accumulator.format : FloatFormat{};
    const Rounding rounding = to_format ? accumulator.rounding : Rounding::NearestEven;
    const Overflow overflow = to_format ? accumulator.overflow : Overflow::Native;
    const std::uint64_t elements = gemm_.elements == 0 ? static_cast<std::uint64_t>(gemm_.m * gemm_.n) : gemm_.elements;
    const std::uint32_t word =
        random_word(gemm_.key, static_cast<std::uint64_t>(number) * elements + gemm_.first_element +
                                   static_cast<std::uint64_t>(m_ * gemm_.n + n_));
    const double special = static_cast<double>(sum) + static_cast<double>(x) * static_cast<double>(y);
    if (!std::isfinite(special))
      return reference::round(format, rounding, overflow, special, word, accumulator.random_bits);
    reference::ExactSum exact;
    exact.add(reference::term_of(sum));
    exact.add(reference::product_of(x, y));
    return reference::round(format, rounding, overflow, exact, word, accumulator.random_bits);
  }

  float register_of(std::int64_t begin, std::int64_t end) const {
    const bool rounds = gemm_.accumulator.kind == AccumulatorKind::Every ||
                        (gemm_.accumulator.kind == AccumulatorKind::Chunk && gemm_.accumulator.inner_rounds);
    float sum = 0.0f;
    for (std::int64_t k = begin; k < end; ++k) sum = add(sum, a(k), b(k), rounds, k);
    return sum;
  }

  float tensor_core(std::int64_t begin, std::int64_t end) const {
    const Accumulator& accumulator = gemm_.accumulator;
    float sum = 0.0f;
    for (std::int64_t group = begin; group < end; group += accumulator.group) {
      std::vector<reference::Term> terms;
      if (std::isfinite(sum)) terms.push_back(reference::term_of(sum));
      double special = sum;
      for (std::int64_t k = group; k < std::min<std::int64_t>(end, group + accumulator.group); ++k) {
        special += static_cast<double>(a(k)) * static_cast<double>(b(k));
        if (std::isfinite(a(k)) && std::isfinite(b(k))) terms.push_back(reference::product_of(a(k), b(k)));
      }
      sum = std::isfinite(special) ? group_of(terms) : static_cast<float>(special);
    }
    return sum;
  }

  float group_of(const std::vector<reference::Term>& terms) const {
    const Accumulator& accumulator = gemm_.accumulator;
    const bool cuts = accumulator.rounding == Rounding::TowardZero;
    int exponent = -126;
    for (const reference::Term& term : terms)
      if (term.significand != 0) exponent = std::max(exponent, reference::log2_of(term));
    const int unit = exponent - accumulator.bits + 1;
    std::int64_t units = 0;
    for (const reference::Term& term : terms) {
      const std::int64_t magnitude = std::abs(term.significand);
      const int lower = unit - term.exponent;
      std::int64_t whole = 0;
      if (lower <= 0) {
        whole = magnitude == 0 ? 0 : magnitude << -lower;
      } else if (lower < 62) {
        const std::int64_t rest = magnitude & ((std::int64_t{1} << lower) - 1), half = std::int64_t{1} << (lower - 1);
        whole = magnitude >> lower;
        if (!cuts && (rest > half || (rest == half && whole % 2 != 0))) ++whole;
      }
      units += term.significand < 0 ? -whole : whole;
    }
    reference::ExactSum exact;
    exact.add({units, unit});
    FloatFormat kept;
    kept.mantissa_bits = std::min(accumulator.bits, 24) - 1;
    const double rounded = reference::round_to_grid(kept, accumulator.rounding, exact);
    if (std::fabs(rounded) >= 0x1p128) return rounded < 0 ? -HUGE_VALF : HUGE_VALF;
    return static_cast<float>(rounded);
  }

  const EmulatedGemm& gemm_;
  std::int64_t m_, n_;
};

// Where two results differ, or -1.
inline std::int64_t first_difference(const std::vector<float>& x, const std::vector<float>& y) {
  for (std::size_t i = 0; i < x.size(); ++i)
    if (bits_of(x[i]) != bits_of(y[i])) return static_cast<std::int64_t>(i);
  return -1;
}

}  // namespace precipice::test
