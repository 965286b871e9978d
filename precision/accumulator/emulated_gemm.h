// SPDX-License-Identifier: Apache-2.0
// out[m, n] = sum over k of a[m, k] b[n, k] with an emulated accumulator (precision/accumulator/accumulator.h has the
// semantics), and scales applied to the sums. Two implementations with the same bits: plain loops to check against the
// text, and one that is blocked, vectorised across outputs and threaded. Free of torch.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "precision/accumulator/accumulator.h"
#include "precision/accumulator/block_sum.h"
#include "precision/rounding/random_bits.h"

namespace precipice {

// scale(row, block) = data[row / rows_per_scale * row_stride + block * block_stride]. One per tensor: strides 0; one
// per row: block_stride 0; 128 x 128 blocks: rows_per_scale 128. No data: 1.
struct OperandScales {
  const float* data = nullptr;
  std::int64_t rows_per_scale = 1;
  std::int64_t row_stride = 0, block_stride = 0;
};

// element(row, k) = data[row * row_stride + k * k_stride]; rows are those of the output for a, its columns for b, so
// that b as (N x K) has strides (K, 1) and as (K x N) strides (1, N).
struct GemmOperand {
  const float* data = nullptr;
  std::int64_t row_stride = 0, k_stride = 1;
  OperandScales scales;
  int emin = -126;  // of the format in which a unit holds the numbers (operand_set.h)
};

struct EmulatedGemm {
  Accumulator accumulator;
  std::int64_t m = 0, n = 0, k = 0;
  GemmOperand a, b;
  std::int64_t scale_block = 0;  // products to a scale; 0: one scale for all of K
  float alpha = 1.0f;            // scales=terms, groups: out = fl32(alpha * total), for scales of whole tensors
  float* out = nullptr;          // must not overlap an operand
  std::int64_t out_stride = 0;   // from row to row

  // Stochastic rounding of out[m, n], element e = first_element + m n_columns + n of `elements` (0: m n_columns of
  // them): the sum with product k uses word k elements + e of the key's stream, the total of segment s (counted from k
  // = 0) word (k_total + s) elements + e.
  RandomKey key;
  std::uint64_t first_element = 0, elements = 0;
};

// Calls body(begin, end) for ranges that cover 0 .. items - 1, from any threads, and returns when all are done.
using ParallelFor =
    std::function<void(std::int64_t items, const std::function<void(std::int64_t begin, std::int64_t end)>& body)>;

// Throws ConfigError where validate(accumulator) does. Results do not depend on threads, instruction set or blocking.
void gemm_emulated(const EmulatedGemm& gemm, const ParallelFor& parallel_for = {});

// The definition, one output and one product at a time.
void gemm_reference(const EmulatedGemm& gemm);

// What the definition does for one output, step by step.
struct SegmentTrace {
  std::int64_t first = 0, end = 0;  // k
  std::vector<GroupSum> groups;     // tensor-core and matrix-core
  float sum = 0.0f, scale = 1.0f;   // of the register; what the total takes it times
  float total = 0.0f;               // after it
};
struct OutputTrace {
  std::vector<SegmentTrace> segments;
  float result = 0.0f;
};
OutputTrace trace_output(const EmulatedGemm& gemm, std::int64_t m, std::int64_t n);

}  // namespace precipice
