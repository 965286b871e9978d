// SPDX-License-Identifier: Apache-2.0
// y = a b^T of matrices that lie in the cache, block by block, by the kernels that libtorch brings (oneDNN's, which
// take blocks of larger matrices as they lie). Each sum runs along K in one order, whatever block it is in. Operands
// are fp32, or bf16 that the carrier's rules (carrier.h) allow.
#pragma once

#include <c10/util/BFloat16.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "precision/gemm/carrier.h"

namespace precipice {

// Whether there are such kernels for matrices of bf16 (fp32) numbers on this CPU. bf16 numbers go in pairs along K,
// which is even then, as are strides.
bool has_block_kernels(bool bf16);

// One operand: rows x depth numbers, of which those of one row or those of one depth lie side by side.
template <class Number>
struct MatrixSide {
  const Number* data;
  std::int64_t rows, depth, row_stride, depth_stride;

  bool has_rows() const { return depth_stride == 1; }
  MatrixSide transposed() const { return {data, depth, rows, depth_stride, row_stride}; }
};

struct Range {
  std::int64_t begin, end;
  std::int64_t size() const { return end - begin; }
};

// Rows of a result at a time, with their operands in the first-level cache: whole groups of a Hadamard transform, which
// mixes past and future within them.
inline constexpr std::int64_t kPartRows = 32;

template <class Body>
void for_parts(std::int64_t rows, const Body& body) {
  for (std::int64_t begin = 0; begin < rows; begin += kPartRows) body(Range{begin, std::min(begin + kPartRows, rows)});
}

// Depths that a part of the rows needs where those of the future (the past) are zero, in whole pairs.
inline Range depths_up_to(const Range& part, std::int64_t depth) {
  return {0, std::min(part.end + part.end % 2, depth)};
}
inline Range depths_from(const Range& part, std::int64_t depth) {
  return {part.begin - part.begin % 2, depth};
}

// The second operand in the order in which kernels read it: the numbers of one depth (pair of depths) side by side. Not
// copied where it lies so; otherwise the copy's memory is kept for the next one.
template <class Number>
class PackedOperand {
 public:
  void pack(const MatrixSide<Number>& side);
  const Number* at(std::int64_t depth, std::int64_t row) const;
  std::int64_t stride() const { return stride_; }

 private:
  std::vector<std::uint32_t> words_;
  const Number* data_ = nullptr;
  std::int64_t stride_ = 0;
};

// y[m, n] = sum over k of a[m, k] b[n, k] for `m` rows: `a` points at depth k.begin of the first, `y` at its column
// n.begin.
template <class Number>
void multiply_rows(const Number* a, std::int64_t a_stride, const PackedOperand<Number>& b, std::int64_t m,
                   const Range& n, const Range& k, float* y, std::int64_t y_stride);

// Whole matrices, one after the other.
template <class Number>
class MatrixMultiplier {
 public:
  // y = a b^T, without what is zero or not asked for.
  void multiply(const MatrixSide<Number>& a, const MatrixSide<Number>& b, float* y, std::int64_t y_stride,
                Causal causal);

 private:
  void multiply_part(const MatrixSide<Number>& a, const Range& m, const Range& n, const Range& k);
  // A copy of rows of an operand, whose depths then lie side by side.
  const Number* with_rows(const MatrixSide<Number>& side, const Range& m, const Range& k);

  PackedOperand<Number> b_;
  std::vector<std::uint32_t> joined_, words_;
  float* y_ = nullptr;
  std::int64_t y_stride_ = 0;
};

// Copies of bf16 operands in fp32.
class WidenedOperand {
 public:
  MatrixSide<float> widen(const MatrixSide<c10::BFloat16>& side);

 private:
  std::vector<float> numbers_;
};

// What all numbers are multiples of (carrier.h), 2^-133 at least.
double quantum_of(const MatrixSide<c10::BFloat16>& side);

// MatrixMultiplier of bf16 operands of which some matrices may hold numbers too small for bf16's instructions: those in
// fp32.
class ExactMultiplier {
 public:
  void multiply(const MatrixSide<c10::BFloat16>& a, const MatrixSide<c10::BFloat16>& b, float* y, std::int64_t y_stride,
                Causal causal);

 private:
  MatrixMultiplier<c10::BFloat16> narrow_;
  MatrixMultiplier<float> wide_;
  WidenedOperand a_, b_;
};

}  // namespace precipice
