// SPDX-License-Identifier: Apache-2.0
// The emulated GEMM as a kernel body: accumulator.h's definition, an output by a thread. Sums are binary64 ones rounded to
// odd and then once more (accumulate_step.h), in place of fused operations. Host and device, no CUDA in it.
#pragma once

#include <cstdint>

#include "precision/accumulator/accumulate_isa.h"
#include "precision/accumulator/accumulate_step.h"
#include "precision/accumulator/prepared_gemm.h"
#include "precision/base/host_device.h"
#include "precision/cuda/emulated_group.h"
#include "precision/cuda/launch.h"

namespace precipice {

// One output.
struct OutputSum {
  const PreparedGemm& call;
  std::int64_t m, n;
  std::int64_t segments = 0;  // so far

  PRECIPICE_HD float result() {
    const EmulatedGemm& gemm = call.gemm;
    const bool is_unit = scales_whole_blocks(gemm.accumulator);
    float total = 0.0f;
    for (std::int64_t begin = 0, block = 0; begin < gemm.k; begin += call.scale_block, ++block) {
      const std::int64_t end = gemm.k - begin < call.scale_block ? gemm.k : begin + call.scale_block;
      const float scale = scale_of_sums(block);
      if (is_unit)
        total = fused(scale, sum_of_block(begin, end), total);
      else
        total = add_segments(total, begin, end, scale);
    }
    return with_one_nan(total);
  }

 private:
  PRECIPICE_HD float a(std::int64_t k) const {
    return call.gemm.a.data[m * call.gemm.a.row_stride + k * call.gemm.a.k_stride];
  }
  PRECIPICE_HD float b(std::int64_t k) const {
    return call.gemm.b.data[n * call.gemm.b.row_stride + k * call.gemm.b.k_stride];
  }
  // fl32(x y + z)
  PRECIPICE_HD static float fused(float x, float y, float z) {
    return static_cast<float>(
        sum_to_odd<Binary64>(static_cast<double>(z), static_cast<double>(x) * static_cast<double>(y)));
  }
  PRECIPICE_HD float scale_of_sums(std::int64_t block) const {
    if (call.gemm.accumulator.block_scales != BlockScales::Sums) return call.gemm.alpha;
    return scale_at(call.gemm.a.scales, m, block) * scale_at(call.gemm.b.scales, n, block);
  }

  // total = round(total + scale register) for each segment.
  PRECIPICE_HD float add_segments(float total, std::int64_t begin, std::int64_t end, float scale) {
    for (std::int64_t k = begin; k < end; k += call.segment) {
      const float sum = sum_of_segment(k, end - k < call.segment ? end : k + call.segment);
      if (call.gemm.accumulator.kind == AccumulatorKind::Chunk)
        total = round_sum(total, static_cast<double>(scale) * static_cast<double>(sum), call.gemm.k + segments);
      else
        total = fused(scale, sum, total);
      ++segments;
    }
    return total;
  }

  // The sum of the parts' sums.
  PRECIPICE_HD float sum_of_block(std::int64_t begin, std::int64_t end) const {
    float block = 0.0f;
    for (std::int64_t first = begin; first < end; first += call.part) {
      const std::int64_t last = end - first < call.part ? end : first + call.part;
      float part = 0.0f;
      for (std::int64_t k = first; k < last; k += call.segment)
        part += sum_of_segment(k, last - k < call.segment ? last : k + call.segment);
      block += part;
    }
    return block;
  }

  // round_F(x + y); `add` numbers the random words.
  PRECIPICE_HD float round_sum(float x, double y, std::int64_t add) const {
    const EmulatedGemm& gemm = call.gemm;
    std::uint32_t word = 0;
    if (is_stochastic(gemm.accumulator.rounding)) {
      const std::uint64_t element = gemm.first_element + static_cast<std::uint64_t>(m * gemm.n + n);
      word = random_word(key_there(gemm.key), static_cast<std::uint64_t>(add) * elements_of(gemm) + element);
    }
    const double sum = sum_to_odd<Binary64>(static_cast<double>(x), y);
    return dispatch_rounding(gemm.accumulator.rounding, [&]<Rounding R>() {
      return round_to_format<R>(sum, call.format, word, gemm.accumulator.random_bits);
    });
  }

  PRECIPICE_HD float sum_of_segment(std::int64_t begin, std::int64_t end) const {
    const Accumulator& accumulator = call.gemm.accumulator;
    float sum = 0.0f;
    if (accumulator.kind == AccumulatorKind::TensorCore || accumulator.kind == AccumulatorKind::MatrixCore) {
      for (std::int64_t k = begin; k < end; k += accumulator.group)
        sum = UnitGroup{call, m, n, k, end - k < accumulator.group ? end : k + accumulator.group, sum}.sum();
      return sum;
    }
    const bool rounds = register_rounds(accumulator);
    for (std::int64_t k = begin; k < end; ++k)
      sum = rounds ? round_sum(sum, static_cast<double>(a(k)) * static_cast<double>(b(k)), k) : fused(a(k), b(k), sum);
    return sum;
  }
};

struct EmulatedGemmLaunch {
  PreparedGemm call;

  PRECIPICE_HD std::int64_t items() const { return call.gemm.m * call.gemm.n; }
  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position) const {
    for (std::int64_t item = position.thread; item < items(); item += position.threads) {
      const std::int64_t m = item / call.gemm.n, n = item % call.gemm.n;
      call.gemm.out[m * call.gemm.out_stride + n] = OutputSum{call, m, n}.result();
    }
  }
};

}  // namespace precipice
