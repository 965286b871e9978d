// SPDX-License-Identifier: Apache-2.0
// The emulated GEMM as accumulator.h words it, one output and one product at a time. Products are formed in binary64,
// where they are exact; std::fma is exact up to its one rounding to binary32.
#include <algorithm>
#include <cmath>

#include "precision/accumulator/accumulate_isa.h"
#include "precision/accumulator/accumulate_step.h"

namespace precipice {
namespace {

float round_wide(Rounding rounding, double x, const WideFormatConstants& format, std::uint32_t word, int random_bits) {
  return dispatch_rounding(rounding, [&]<Rounding R>() { return round_to_format<R>(x, format, word, random_bits); });
}

// One output.
class Sum {
 public:
  Sum(const EmulatedGemm& gemm, std::int64_t m, std::int64_t n)
      : gemm_(gemm), accumulator_(gemm.accumulator), m_(m), n_(n), kept_(std::min(accumulator_.bits, 24)) {
    if (accumulator_.kind == AccumulatorKind::Every || accumulator_.kind == AccumulatorKind::Chunk)
      format_ = prepare_wide(accumulator_.format, accumulator_.overflow);
    FloatFormat tensor_core;
    tensor_core.mantissa_bits = kept_ - 1;
    tensor_core_ = prepare_wide(tensor_core, Overflow::Native);
  }

  float result() {
    float total = 0.0f;
    std::int64_t segment = 0;
    const std::int64_t block_size = gemm_.scale_block == 0 ? gemm_.k : gemm_.scale_block;
    for (std::int64_t begin = 0, block = 0; begin < gemm_.k; begin += block_size, ++block) {
      const std::int64_t end = std::min(gemm_.k, begin + block_size);
      const float scale = scale_at(gemm_.a.scales, m_, block) * scale_at(gemm_.b.scales, n_, block);
      const std::int64_t length = segment_length(accumulator_, block_size);
      for (std::int64_t k = begin; k < end; k += length, ++segment) {
        const float sum = segment_sum(k, std::min(end, k + length));
        if (accumulator_.kind == AccumulatorKind::Chunk)
          total = round_sum(total, static_cast<double>(scale) * sum, gemm_.k + segment);
        else
          total = std::fma(scale, sum, total);
      }
    }
    return with_one_nan(total);
  }

 private:
  float a(std::int64_t k) const { return gemm_.a.data[m_ * gemm_.a.row_stride + k * gemm_.a.k_stride]; }
  float b(std::int64_t k) const { return gemm_.b.data[n_ * gemm_.b.row_stride + k * gemm_.b.k_stride]; }
  double product(std::int64_t k) const { return static_cast<double>(a(k)) * b(k); }

  // round_F(x + y)
  float round_sum(double x, double y, std::int64_t add) const {
    std::uint32_t word = 0;
    if (is_stochastic(accumulator_.rounding)) {
      const std::uint64_t element = gemm_.first_element + static_cast<std::uint64_t>(m_ * gemm_.n + n_);
      word = random_word(gemm_.key, static_cast<std::uint64_t>(add) * elements_of(gemm_) + element);
    }
    return round_wide(accumulator_.rounding, sum_to_odd<Binary64>(x, y), format_, word, accumulator_.random_bits);
  }

  float segment_sum(std::int64_t begin, std::int64_t end) const {
    float sum = 0.0f;
    if (accumulator_.kind == AccumulatorKind::TensorCore) {
      for (std::int64_t k = begin; k < end; k += accumulator_.group)
        sum = group_sum(sum, k, std::min(end, k + accumulator_.group));
      return sum;
    }
    const bool rounds = register_rounds(accumulator_);
    for (std::int64_t k = begin; k < end; ++k) sum = rounds ? round_sum(sum, product(k), k) : std::fma(a(k), b(k), sum);
    return sum;
  }

  float group_sum(double sum, std::int64_t begin, std::int64_t end) const {
    double largest = std::fabs(sum), plain = sum;
    for (std::int64_t k = begin; k < end; ++k) {
      largest = std::fmax(largest, std::fabs(product(k)));
      plain += product(k);
    }
    if (!std::isfinite(plain)) return static_cast<float>(plain);

    // 1. The unit.
    const int exponent = largest == 0.0 ? -126 : std::max(std::ilogb(largest), -126);
    const double unit = std::ldexp(1.0, exponent - accumulator_.bits + 1);
    // 2. Terms in whole units; divisions by the unit are exact.
    const bool cuts = accumulator_.rounding == Rounding::TowardZero;
    const auto whole = [&](double term) { return cuts ? std::trunc(term / unit) : std::nearbyint(term / unit); };
    double units = whole(sum);
    for (std::int64_t k = begin; k < end; ++k) units += whole(product(k));
    // 3. At most 1025 terms of 30 bits: exact so far.
    const double sum_of_terms = units * unit;
    const double beyond = cuts ? 0x1p128 : std::ldexp(2.0 - std::ldexp(1.0, -kept_), 127);
    if (std::fabs(sum_of_terms) >= beyond) return sum_of_terms < 0 ? -HUGE_VALF : HUGE_VALF;
    return round_wide(accumulator_.rounding, sum_of_terms, tensor_core_, 0, 0);
  }

  const EmulatedGemm& gemm_;
  const Accumulator& accumulator_;
  std::int64_t m_, n_;
  int kept_;  // significand bits of a tensor-core register
  WideFormatConstants format_{};
  WideFormatConstants tensor_core_{};
};

}  // namespace

void gemm_reference(const EmulatedGemm& gemm) {
  check_gemm(gemm);
  for (std::int64_t m = 0; m < gemm.m; ++m)
    for (std::int64_t n = 0; n < gemm.n; ++n) gemm.out[m * gemm.out_stride + n] = Sum(gemm, m, n).result();
}

}  // namespace precipice
