// SPDX-License-Identifier: Apache-2.0
#include "precision/gemm/batch_carrier.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <utility>

#include "precision/base/check.h"
#include "precision/gemm/matrix_product.h"
#include "precision/kernels/outer_product.h"
#include "precision/kernels/pack_kernels.h"
#include "precision/kernels/row_kernels.h"
#include "precision/quantize/parallel.h"

namespace precipice {
namespace {

constexpr std::int64_t kTask = 1 << 20;  // multiplications: a task's start costs some microseconds

std::size_t batch_dimensions(const CarrierProduct& product) {
  return product.a_sizes.size() - 2;
}

std::int64_t products_of_batch(const CarrierProduct& product) {
  return count_in(product.a_sizes, batch_dimensions(product));
}

template <class Number>
MatrixSide<Number> side_of(const void* data, std::int64_t matrix, const Dims& sizes, const Dims& strides) {
  const std::int64_t offset = offset_in(matrix, sizes, strides, sizes.size() - 2);
  return {static_cast<const Number*>(data) + offset, sizes.from_end(2), sizes.from_end(1), strides.from_end(2),
          strides.from_end(1)};
}

template <class Number, class Kernel>
void multiply_each_matrix(const CarrierProduct& p, Causal causal) {
  const std::int64_t m = p.a_sizes.from_end(2), n = p.b_sizes.from_end(2), k = p.a_sizes.from_end(1),
                     y_stride = std::max(p.y_strides.from_end(2), n);
  at::parallel_for(0, products_of_batch(p), std::max<std::int64_t>(1, kTask / (m * n * k)),
                   [&](std::int64_t begin, std::int64_t end) {
                     Kernel kernel;
                     for (std::int64_t i = begin; i < end; ++i) {
                       float* const y = p.y + offset_in(i, p.a_sizes, p.y_strides, batch_dimensions(p));
                       kernel.multiply(side_of<Number>(p.a, i, p.a_sizes, p.a_strides),
                                       side_of<Number>(p.b, i, p.b_sizes, p.b_strides), y, y_stride, causal);
                       if (p.scale == 1.0f) continue;
                       for (std::int64_t row = 0; row < m; ++row)
                         row_kernels().scale_row(y + row * y_stride, n, p.scale);
                     }
                   });
}

// The rows of an outer product among threads.
void share_out([[maybe_unused]] const OuterProduct& product) {
#if defined(__x86_64__)
  const std::int64_t tiles = (product.m + kOuterTileRows - 1) / kOuterTileRows;
  const std::int64_t grain = std::max<std::int64_t>(1, kTask / (kOuterTileRows * product.n * product.k));
  at::parallel_for(0, tiles, grain, [&](std::int64_t begin, std::int64_t end) {
    avx512::outer_product(product, begin * kOuterTileRows, std::min(product.m, end * kOuterTileRows));
  });
#endif
}

void multiply_outer(const CarrierProduct& p) {
  OuterProduct product{p.a_sizes[0],
                       p.b_sizes[0],
                       p.a_sizes[1],
                       static_cast<const float*>(p.a),
                       static_cast<const float*>(p.b),
                       p.a_strides[1],
                       p.b_strides[1],
                       p.y,
                       p.y_strides[0],
                       p.scale};
  if (product.m >= product.n) {
    share_out(product);
    return;
  }
  // Tiles want few columns, which are read again for each of them: b^T a, transposed.
  const at::Tensor transposed = at::empty({product.n, product.m}, at::kFloat);
  std::swap(product.m, product.n), std::swap(product.a, product.b), std::swap(product.a_stride, product.b_stride);
  product.y = transposed.mutable_data_ptr<float>(), product.y_stride = product.n;
  share_out(product);
  pack_kernels().transpose_words(reinterpret_cast<const std::uint32_t*>(product.y), product.n, product.m, product.n,
                                 reinterpret_cast<std::uint32_t*>(p.y), p.y_strides[0]);
}

const void* moved(const CarrierProduct& product, const void* operand, std::int64_t elements) {
  const std::int64_t size = product.bf16 ? sizeof(at::BFloat16) : sizeof(float);
  return static_cast<const char*>(operand) + elements * size;
}

CarrierProduct matrix_of(const CarrierProduct& p, std::int64_t matrix) {
  const std::size_t batch = batch_dimensions(p);
  CarrierProduct one = p;
  one.a = moved(p, p.a, offset_in(matrix, p.a_sizes, p.a_strides, batch));
  one.b = moved(p, p.b, offset_in(matrix, p.b_sizes, p.b_strides, batch));
  one.y += offset_in(matrix, p.a_sizes, p.y_strides, batch);
  one.a_sizes = p.a_sizes.of_matrix(), one.a_strides = p.a_strides.of_matrix();
  one.b_sizes = p.b_sizes.of_matrix(), one.b_strides = p.b_strides.of_matrix();
  one.y_strides = p.y_strides.of_matrix();
  return one;
}

// Rows m of a times rows n of b, over depths k of both, in each matrix.
CarrierProduct part_of(const CarrierProduct& p, const Range& m, const Range& n, const Range& k) {
  CarrierProduct part = p;
  part.a = moved(p, p.a, m.begin * p.a_strides.from_end(2) + k.begin * p.a_strides.from_end(1));
  part.b = moved(p, p.b, n.begin * p.b_strides.from_end(2) + k.begin * p.b_strides.from_end(1));
  part.y += m.begin * p.y_strides.from_end(2) + n.begin;
  if (p.bias != nullptr) part.bias += n.begin;
  part.a_sizes.from_end(2) = m.size(), part.b_sizes.from_end(2) = n.size();
  part.a_sizes.from_end(1) = part.b_sizes.from_end(1) = k.size();
  return part;
}

// Without what `causal` names, a part of the rows or columns at a time.
void multiply_causal_parts(const CarrierProduct& p, Causal causal) {
  const Range rows{0, p.a_sizes.from_end(2)}, columns{0, p.b_sizes.from_end(2)}, depths{0, p.a_sizes.from_end(1)};
  const bool by_columns = causal == Causal::SecondPast || causal == Causal::SecondAhead;
  const std::int64_t length = (by_columns ? columns : rows).size(), step = causal_part(length);
  for (std::int64_t begin = 0; begin < length; begin += step) {
    const Range cut{begin, std::min(begin + step, length)}, past{0, std::min(cut.end, depths.end)},
        ahead{cut.begin, length};
    const auto multiply_part = [&](const Range& m, const Range& n, const Range& k) {
      const CarrierProduct part = part_of(p, m, n, k);
      multiply_by(choose_multiplier(part, Causal::No, false, matmul_cpu()), part, Causal::No);
    };
    switch (causal) {
      case Causal::No:
        break;
      case Causal::Result:
        multiply_part(ahead, cut, depths);
        break;
      case Causal::FirstPast:
        multiply_part(cut, columns, past);
        break;
      case Causal::FirstAhead:
        multiply_part(cut, columns, ahead);
        break;
      case Causal::SecondPast:
        multiply_part(rows, cut, past);
        break;
      case Causal::SecondAhead:
        multiply_part(rows, cut, ahead);
        break;
    }
  }
}

}  // namespace

void multiply_in_parts(const CarrierProduct& product) {
  constexpr std::int64_t kPart = 128;  // enough that packing the other operand for each part does not show
  const std::int64_t m = product.a_sizes.from_end(2), n = product.b_sizes.from_end(2);
  const bool by_rows = m >= n;
  const std::int64_t length = by_rows ? m : n, parts = (length + kPart - 1) / kPart;
  at::parallel_for(0, products_of_batch(product) * parts, 1, [&](std::int64_t begin, std::int64_t end) {
    const OneThread alone;
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t first = i % parts * kPart;
      const Range cut{first, std::min(first + kPart, length)};
      const Range rows = by_rows ? cut : Range{0, m}, columns = by_rows ? Range{0, n} : cut;
      multiply(part_of(matrix_of(product, i / parts), rows, columns, {0, product.a_sizes.from_end(1)}));
    }
  });
}

void multiply_by(Multiplier multiplier, const CarrierProduct& product, Causal causal) {
  switch (multiplier) {
    case Multiplier::EachMatrix:
      if (product.bf16)
        multiply_each_matrix<at::BFloat16, MatrixMultiplier<at::BFloat16>>(product, causal);
      else
        multiply_each_matrix<float, MatrixMultiplier<float>>(product, causal);
      break;
    case Multiplier::EachMatrixInRange:
      multiply_each_matrix<at::BFloat16, ExactMultiplier>(product, causal);
      break;
    case Multiplier::OuterProduct:
      multiply_outer(product);
      break;
    case Multiplier::CausalParts:
      multiply_causal_parts(product, causal);
      break;
    case Multiplier::FixedParts:
      multiply_in_parts(product);
      break;
    case Multiplier::OneDnn:
      multiply(product);
      break;
  }
}

}  // namespace precipice
