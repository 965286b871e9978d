// SPDX-License-Identifier: Apache-2.0
#include "precision/gemm/matrix_product.h"

#include <ATen/native/CPUBlas.h>

#include "precision/calls/result_quantum.h"
#include "precision/format/format_presets.h"
#include "precision/gemm/onednn.h"
#include "precision/kernels/pack_kernels.h"
#include "precision/scaling/hadamard.h"

namespace precipice {
namespace {

namespace blas = at::native::cpublas;

static_assert(kPartRows % kHadamard == 0);

// A word holds one fp32 number or two bf16 ones.
template <class Number>
constexpr std::int64_t kPerWord = 4 / sizeof(Number);

std::uint32_t* room(std::vector<std::uint32_t>& words, std::int64_t size) {
  if (words.size() < static_cast<std::size_t>(size)) words.resize(static_cast<std::size_t>(size));
  return words.data();
}

template <class Number>
const std::uint32_t* as_words(const Number* numbers) {
  return reinterpret_cast<const std::uint32_t*>(numbers);
}
const std::uint16_t* as_halves(const at::BFloat16* numbers) {
  return reinterpret_cast<const std::uint16_t*>(numbers);
}

// Pairs of depths k of rows m, whose numbers of one depth lie side by side.
void join_pairs(const MatrixSide<at::BFloat16>& side, const Range& m, const Range& k, std::uint32_t* out) {
  for (std::int64_t depth = k.begin; depth < k.end; depth += 2, out += m.size()) {
    const at::BFloat16* low = side.data + depth * side.depth_stride + m.begin;
    pack_kernels().join_halves(as_halves(low), as_halves(low + side.depth_stride), m.size(), out);
  }
}

}  // namespace

bool has_block_kernels(bool bf16) {
#if defined(__x86_64__) && defined(CPUBLAS_BRGEMM_F32F32F32) && defined(CPUBLAS_BRGEMM_BF16BF16F32)
  // With AMX they want tiles of their own, and multiply() does well.
  static const bool has_bf16 = has_bf16_instructions() && !blas::could_pack(at::kBFloat16);
  // Below AVX2 libtorch hands blocks to its gemm, whose order of sums follows the operands' place in memory.
  return bf16 ? has_bf16 : has_avx2_matmuls();
#else
  static_cast<void>(bf16);
  return false;
#endif
}

template <class Number>
void PackedOperand<Number>::pack(const MatrixSide<Number>& side) {
  stride_ = side.rows;
  if constexpr (kPerWord<Number> == 1) {
    if (!side.has_rows()) {
      data_ = side.data;
      stride_ = side.depth_stride;
      return;
    }
  }
  const std::int64_t depth = side.depth / kPerWord<Number>;
  std::uint32_t* const out = room(words_, side.rows * depth);
  data_ = reinterpret_cast<const Number*>(out);
  if (side.has_rows())
    pack_kernels().transpose_words(as_words(side.data), side.row_stride / kPerWord<Number>, side.rows, depth, out,
                                   side.rows);
  else if constexpr (kPerWord<Number> == 2)
    join_pairs(side, {0, side.rows}, {0, side.depth}, out);
}

template <class Number>
const Number* PackedOperand<Number>::at(std::int64_t depth, std::int64_t row) const {
  return data_ + depth * stride_ + row * kPerWord<Number>;
}

template <class Number>
void multiply_rows(const Number* a, std::int64_t a_stride, const PackedOperand<Number>& b, std::int64_t m,
                   const Range& n, const Range& k, float* y, std::int64_t y_stride) {
  blas::brgemm(m, n.size(), k.size(), a_stride, b.stride(), y_stride, false, a, b.at(k.begin, n.begin), y,
               kPerWord<Number> == 2);
}

template <class Number>
const Number* MatrixMultiplier<Number>::with_rows(const MatrixSide<Number>& side, const Range& m, const Range& k) {
  const std::int64_t depth = k.size() / kPerWord<Number>;
  std::uint32_t* const out = room(words_, m.size() * depth);
  if constexpr (kPerWord<Number> == 2) {
    std::uint32_t* const joined = room(joined_, m.size() * depth);
    join_pairs(side, m, k, joined);
    pack_kernels().transpose_words(joined, m.size(), depth, m.size(), out, depth);
  } else {
    const Number* from = side.data + m.begin + k.begin * side.depth_stride;
    pack_kernels().transpose_words(as_words(from), side.depth_stride, depth, m.size(), out, depth);
  }
  return reinterpret_cast<const Number*>(out);
}

template <class Number>
void MatrixMultiplier<Number>::multiply_part(const MatrixSide<Number>& a, const Range& m, const Range& n,
                                             const Range& k) {
  float* const y = y_ + m.begin * y_stride_ + n.begin;
  if (a.has_rows())
    multiply_rows(a.data + m.begin * a.row_stride + k.begin, a.row_stride, b_, m.size(), n, k, y, y_stride_);
  else
    multiply_rows(with_rows(a, m, k), k.size(), b_, m.size(), n, k, y, y_stride_);
}

template <class Number>
void MatrixMultiplier<Number>::multiply(const MatrixSide<Number>& a, const MatrixSide<Number>& b, float* y,
                                        std::int64_t y_stride, Causal causal) {
  y_ = y, y_stride_ = y_stride;
  b_.pack(b);
  const Range rows{0, a.rows}, columns{0, b.rows}, depth{0, a.depth};
  if (causal == Causal::SecondPast || causal == Causal::SecondAhead) {
    for_parts(b.rows, [&](const Range& n) {
      const Range k = causal == Causal::SecondPast ? depths_up_to(n, a.depth) : depths_from(n, a.depth);
      multiply_part(a, rows, n, k);
    });
    return;
  }
  for_parts(a.rows, [&](const Range& m) {
    if (causal == Causal::Result)
      multiply_part(a, m, {0, std::min(m.end, b.rows)}, depth);
    else if (causal == Causal::FirstPast)
      multiply_part(a, m, columns, depths_up_to(m, a.depth));
    else if (causal == Causal::FirstAhead)
      multiply_part(a, m, columns, depths_from(m, a.depth));
    else
      multiply_part(a, m, columns, depth);
  });
}

MatrixSide<float> WidenedOperand::widen(const MatrixSide<at::BFloat16>& side) {
  const bool has_rows = side.has_rows();
  const std::int64_t lines = has_rows ? side.rows : side.depth, length = has_rows ? side.depth : side.rows,
                     stride = has_rows ? side.row_stride : side.depth_stride;
  numbers_.resize(static_cast<std::size_t>(lines * length));
  for (std::int64_t line = 0; line < lines; ++line)
    std::copy_n(side.data + line * stride, length, numbers_.data() + line * length);
  return {numbers_.data(), side.rows, side.depth, has_rows ? length : 1, has_rows ? 1 : length};
}

double quantum_of(const MatrixSide<at::BFloat16>& side) {
  const bool has_rows = side.has_rows();
  const std::int64_t lines = has_rows ? side.rows : side.depth, length = has_rows ? side.depth : side.rows,
                     stride = has_rows ? side.row_stride : side.depth_stride;
  std::uint16_t smallest = 0xFFFF;
  for (std::int64_t line = 0; line < lines; ++line)
    smallest = std::min(smallest, pack_kernels().smallest_half(as_halves(side.data + line * stride), length));
  ResultQuantum quantum(kBf16);
  quantum.record(std::uint32_t{smallest} << 16 | 0xFFFF);
  return quantum.value();
}

void ExactMultiplier::multiply(const MatrixSide<at::BFloat16>& a, const MatrixSide<at::BFloat16>& b, float* y,
                               std::int64_t y_stride, Causal causal) {
  if (products_fit_bf16(quantum_of(a), quantum_of(b)))
    narrow_.multiply(a, b, y, y_stride, causal);
  else
    wide_.multiply(a_.widen(a), b_.widen(b), y, y_stride, causal);
}

template class PackedOperand<float>;
template class PackedOperand<at::BFloat16>;
template class MatrixMultiplier<float>;
template class MatrixMultiplier<at::BFloat16>;
template void multiply_rows(const float*, std::int64_t, const PackedOperand<float>&, std::int64_t, const Range&,
                            const Range&, float*, std::int64_t);
template void multiply_rows(const at::BFloat16*, std::int64_t, const PackedOperand<at::BFloat16>&, std::int64_t,
                            const Range&, const Range&, float*, std::int64_t);

}  // namespace precipice
