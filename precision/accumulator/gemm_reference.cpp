// SPDX-License-Identifier: Apache-2.0
// The emulated GEMM as accumulator.h words it, one output and one product at a time. Products are formed in binary64,
// where they are exact; std::fma is exact up to its one rounding to binary32.
#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "precision/accumulator/accumulate_isa.h"
#include "precision/accumulator/accumulate_step.h"
#include "precision/accumulator/block_sum.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

float round_wide(Rounding rounding, double x, const WideFormatConstants& format, std::uint32_t word, int random_bits) {
  return dispatch_rounding(rounding, [&]<Rounding R>() { return round_to_format<R>(x, format, word, random_bits); });
}

// One output.
class Sum {
 public:
  Sum(const EmulatedGemm& gemm, std::int64_t m, std::int64_t n)
      : gemm_(gemm), accumulator_(gemm.accumulator), m_(m), n_(n) {
    if (accumulator_.kind == AccumulatorKind::Every || accumulator_.kind == AccumulatorKind::Chunk)
      format_ = prepare_wide(accumulator_.format, accumulator_.overflow);
  }

  OutputTrace result() {
    float total = 0.0f;
    const std::int64_t block_size = summed_block(gemm_);
    for (std::int64_t begin = 0, block = 0; begin < gemm_.k; begin += block_size, ++block) {
      const std::int64_t end = std::min(gemm_.k, begin + block_size);
      total = scales_whole_blocks(accumulator_) ? add_block(total, begin, end, scale_of_sums(block))
                                                : add_segments(total, begin, end, scale_of_sums(block));
    }
    trace_.result = with_one_nan(total);
    return std::move(trace_);
  }

 private:
  float a(std::int64_t k) const { return gemm_.a.data[m_ * gemm_.a.row_stride + k * gemm_.a.k_stride]; }
  float b(std::int64_t k) const { return gemm_.b.data[n_ * gemm_.b.row_stride + k * gemm_.b.k_stride]; }
  double product(std::int64_t k) const { return static_cast<double>(a(k)) * b(k); }

  float scale_of_sums(std::int64_t block) const {
    if (accumulator_.block_scales != BlockScales::Sums) return gemm_.alpha;
    return scale_at(gemm_.a.scales, m_, block) * scale_at(gemm_.b.scales, n_, block);
  }
  // of the products' own
  UnitProduct unit_product(std::int64_t k) const {
    if (accumulator_.block_scales == BlockScales::Sums) return {a(k), b(k)};
    const std::int64_t block = gemm_.scale_block == 0 ? 0 : k / gemm_.scale_block;
    return {a(k), b(k), scale_at(gemm_.a.scales, m_, block), scale_at(gemm_.b.scales, n_, block)};
  }

  // total = round(total + scale register) for each segment.
  float add_segments(float total, std::int64_t begin, std::int64_t end, float scale) {
    const std::int64_t length = segment_length(accumulator_, summed_block(gemm_));
    for (std::int64_t k = begin; k < end; k += length) {
      const float sum = segment_sum(k, std::min(end, k + length));
      if (accumulator_.kind == AccumulatorKind::Chunk)
        total = round_sum(total, static_cast<double>(scale) * static_cast<double>(sum),
                          gemm_.k + static_cast<std::int64_t>(trace_.segments.size()) - 1);
      else
        total = std::fma(scale, sum, total);
      trace_.segments.back().scale = scale;
      trace_.segments.back().total = total;
    }
    return total;
  }

  // total = fl32(total + scale block), block: the sum of the parts' sums.
  float add_block(float total, std::int64_t begin, std::int64_t end, float scale) {
    const std::int64_t length = segment_length(accumulator_, end - begin);
    const std::int64_t part = part_length(accumulator_, end - begin);
    float block = 0.0f;
    for (std::int64_t first = begin; first < end; first += part) {
      const std::int64_t last = std::min(end, first + part);
      float of_part = 0.0f;
      for (std::int64_t k = first; k < last; k += length) {
        of_part += segment_sum(k, std::min(last, k + length));
        trace_.segments.back().total = of_part;
      }
      block += of_part;
    }
    total = std::fma(scale, block, total);
    trace_.segments.back().scale = scale;
    trace_.segments.back().total = total;
    return total;
  }

  // round_F(x + y)
  float round_sum(double x, double y, std::int64_t add) const {
    std::uint32_t word = 0;
    if (is_stochastic(accumulator_.rounding)) {
      const std::uint64_t element = gemm_.first_element + static_cast<std::uint64_t>(m_ * gemm_.n + n_);
      word = random_word(gemm_.key, static_cast<std::uint64_t>(add) * elements_of(gemm_) + element);
    }
    return round_wide(accumulator_.rounding, sum_to_odd<Binary64>(x, y), format_, word, accumulator_.random_bits);
  }

  float segment_sum(std::int64_t begin, std::int64_t end) {
    SegmentTrace& segment = trace_.segments.emplace_back();
    segment.first = begin, segment.end = end;
    const bool is_unit =
        accumulator_.kind == AccumulatorKind::TensorCore || accumulator_.kind == AccumulatorKind::MatrixCore;
    const bool rounds = register_rounds(accumulator_);
    float sum = 0.0f;
    for (std::int64_t k = begin; k < end; k += is_unit ? accumulator_.group : 1) {
      if (!is_unit) {
        sum = rounds ? round_sum(static_cast<double>(sum), product(k), k) : std::fma(a(k), b(k), sum);
        continue;
      }
      std::vector<UnitProduct> products;
      for (std::int64_t i = k; i < std::min(end, k + accumulator_.group); ++i) products.push_back(unit_product(i));
      segment.groups.push_back(sum_group(accumulator_, sum, products, gemm_.a.emin, gemm_.b.emin));
      sum = segment.groups.back().result;
    }
    segment.sum = sum;
    return sum;
  }

  const EmulatedGemm& gemm_;
  const Accumulator& accumulator_;
  std::int64_t m_, n_;
  WideFormatConstants format_{};
  OutputTrace trace_;
};

}  // namespace

void gemm_reference(const EmulatedGemm& gemm) {
  check_gemm(gemm);
  for (std::int64_t m = 0; m < gemm.m; ++m)
    for (std::int64_t n = 0; n < gemm.n; ++n) gemm.out[m * gemm.out_stride + n] = Sum(gemm, m, n).result().result;
}

OutputTrace trace_output(const EmulatedGemm& gemm, std::int64_t m, std::int64_t n) {
  check_gemm(gemm);
  PRECIPICE_CHECK(m >= 0 && m < gemm.m && n >= 0 && n < gemm.n, "output ", m, ", ", n, " of ", gemm.m, " x ", gemm.n);
  return Sum(gemm, m, n).result();
}

}  // namespace precipice
