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

using Numbers = std::vector<std::int64_t>;

constexpr std::int64_t kTask = 1 << 20;  // multiplications: a task's start costs some microseconds

std::int64_t matrices_of(const Numbers& sizes) {
  std::int64_t count = 1;
  for (std::size_t d = 0; d + 2 < sizes.size(); ++d) count *= sizes[d];
  return count;
}

// Where matrix `index` of a batch begins.
std::int64_t offset_of(std::int64_t index, const Numbers& sizes, const Numbers& strides) {
  std::int64_t offset = 0;
  for (std::size_t d = sizes.size() - 2; d-- > 0; index /= sizes[d]) offset += index % sizes[d] * strides[d];
  return offset;
}

template <class Number>
MatrixSide<Number> side_of(const void* data, std::int64_t index, const Numbers& sizes, const Numbers& strides) {
  const std::size_t d = sizes.size() - 2;
  return {static_cast<const Number*>(data) + offset_of(index, sizes, strides), sizes[d], sizes[d + 1], strides[d],
          strides[d + 1]};
}

template <class Number, class Multiplier>
void multiply_with(const CarrierProduct& call, Causal causal) {
  const std::size_t d = call.a_sizes.size() - 2;
  const std::int64_t m = call.a_sizes[d], n = call.b_sizes[d], y_stride = std::max(call.y_strides[d], n);
  at::parallel_for(0, matrices_of(call.a_sizes), std::max<std::int64_t>(1, kTask / (m * n * call.a_sizes[d + 1])),
                   [&](std::int64_t begin, std::int64_t end) {
                     Multiplier multiplier;
                     for (std::int64_t i = begin; i < end; ++i) {
                       float* const y = call.y + offset_of(i, call.a_sizes, call.y_strides);
                       multiplier.multiply(side_of<Number>(call.a, i, call.a_sizes, call.a_strides),
                                           side_of<Number>(call.b, i, call.b_sizes, call.b_strides), y, y_stride,
                                           causal);
                       if (call.scale == 1.0f) continue;
                       for (std::int64_t row = 0; row < m; ++row)
                         row_kernels().scale_row(y + row * y_stride, n, call.scale);
                     }
                   });
}

// Whether pairs along K are words of memory.
bool has_whole_pairs(const void* data, const Numbers& sizes, const Numbers& strides) {
  const std::size_t d = sizes.size() - 2;
  bool even = sizes[d + 1] % 2 == 0 && reinterpret_cast<std::uintptr_t>(data) % sizeof(std::uint32_t) == 0;
  if (strides[d + 1] == 1)
    for (std::size_t i = 0; i <= d; ++i) even = even && (strides[i] % 2 == 0 || sizes[i] == 1);
  return even;
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

// Rows or columns of a part: enough that packing the other operand for each does not show.
constexpr std::int64_t kPart = 128;

// Rows (columns) of one matrix's product from `begin` on.
CarrierProduct part_of(const CarrierProduct& call, std::int64_t matrix, bool by_rows, std::int64_t begin) {
  const std::size_t d = call.a_sizes.size() - 2;
  const auto last_two = [d](const Numbers& x) { return Numbers(x.begin() + static_cast<std::ptrdiff_t>(d), x.end()); };
  CarrierProduct part = call;
  part.a_sizes = last_two(call.a_sizes), part.a_strides = last_two(call.a_strides);
  part.b_sizes = last_two(call.b_sizes), part.b_strides = last_two(call.b_strides);
  part.y_strides = last_two(call.y_strides);
  std::int64_t a = offset_of(matrix, call.a_sizes, call.a_strides), b = offset_of(matrix, call.b_sizes, call.b_strides);
  Numbers& sizes = by_rows ? part.a_sizes : part.b_sizes;
  sizes[0] = std::min(kPart, sizes[0] - begin);
  (by_rows ? a : b) += begin * (by_rows ? part.a_strides : part.b_strides)[0];
  const std::int64_t size_of_number = call.bf16 ? sizeof(at::BFloat16) : sizeof(float);
  part.a = static_cast<const char*>(call.a) + a * size_of_number;
  part.b = static_cast<const char*>(call.b) + b * size_of_number;
  part.y += offset_of(matrix, call.a_sizes, call.y_strides) + (by_rows ? begin * part.y_strides[0] : begin);
  if (call.bias != nullptr && !by_rows) part.bias += begin;
  return part;
}

}  // namespace

bool fits_batch_carrier(const CarrierProduct& call) {
  if (call.bias != nullptr || call.a_sizes.size() < 3 || !has_block_kernels(call.bf16)) return false;
  return !call.bf16 || (has_whole_pairs(call.a, call.a_sizes, call.a_strides) &&
                        has_whole_pairs(call.b, call.b_sizes, call.b_strides));
}

void multiply_batch(const CarrierProduct& call, Causal causal, bool fine) {
  PRECIPICE_CHECK(fits_batch_carrier(call), "not a batch for these kernels");
  if (!call.bf16)
    multiply_with<float, MatrixMultiplier<float>>(call, causal);
  else if (fine)
    multiply_with<at::BFloat16, ExactMultiplier>(call, causal);
  else
    multiply_with<at::BFloat16, MatrixMultiplier<at::BFloat16>>(call, causal);
}

bool fits_outer_carrier([[maybe_unused]] const CarrierProduct& call) {
#if defined(__x86_64__)
  return has_avx512_matmuls() && !call.bf16 && call.bias == nullptr && call.a_sizes.size() == 2 &&
         call.a_strides[0] == 1 && call.b_strides[0] == 1;
#else
  return false;
#endif
}

void multiply_outer(const CarrierProduct& call) {
  PRECIPICE_CHECK(fits_outer_carrier(call), "not a product for this kernel");
  OuterProduct product{call.a_sizes[0],
                       call.b_sizes[0],
                       call.a_sizes[1],
                       static_cast<const float*>(call.a),
                       static_cast<const float*>(call.b),
                       call.a_strides[1],
                       call.b_strides[1],
                       call.y,
                       call.y_strides[0],
                       call.scale};
  if (product.m >= product.n) {
    share_out(product);
    return;
  }
  // Tiles want few columns, which are read again for each of them: b^T a, turned.
  const at::Tensor turned = at::empty({product.n, product.m}, at::kFloat);
  std::swap(product.m, product.n), std::swap(product.a, product.b), std::swap(product.a_stride, product.b_stride);
  product.y = turned.mutable_data_ptr<float>(), product.y_stride = product.n;
  share_out(product);
  pack_kernels().transpose_words(reinterpret_cast<const std::uint32_t*>(product.y), product.n, product.m, product.n,
                                 reinterpret_cast<std::uint32_t*>(call.y), call.y_strides[0]);
}

void multiply_in_parts(const CarrierProduct& call) {
  const std::size_t d = call.a_sizes.size() - 2;
  const bool by_rows = call.a_sizes[d] >= call.b_sizes[d];
  const std::int64_t length = (by_rows ? call.a_sizes : call.b_sizes)[d], parts = (length + kPart - 1) / kPart;
  at::parallel_for(0, matrices_of(call.a_sizes) * parts, 1, [&](std::int64_t begin, std::int64_t end) {
    const OneThread alone;
    for (std::int64_t i = begin; i < end; ++i) multiply(part_of(call, i / parts, by_rows, i % parts * kPart));
  });
}

}  // namespace precipice
