// SPDX-License-Identifier: Apache-2.0
#include "precision/gemm/carrier.h"

#include <omp.h>

#include <memory>
#include <unordered_map>
#include <vector>

#include "precision/base/spellings.h"
#include "precision/gemm/onednn_matmul.h"

namespace precipice {
namespace {

constexpr Spellings<Carrier, 3> kCarriers = {
    {{"auto", Carrier::Auto}, {"fp32", Carrier::Fp32}, {"bf16", Carrier::Bf16}}};

// What a primitive is made for. The scale and the bias are arguments of each call.
struct Shape {
  Dims a_sizes, a_strides, b_sizes, b_strides, y_strides;
  bool bf16, scaled, with_bias;
  bool operator==(const Shape&) const = default;
};

struct ShapeHash {
  std::size_t operator()(const Shape& shape) const {
    std::uint64_t hash = 14695981039346656037u;  // FNV-1a over words
    const auto take = [&](std::int64_t word) { hash = (hash ^ static_cast<std::uint64_t>(word)) * 1099511628211u; };
    for (const Dims* dims : {&shape.a_sizes, &shape.a_strides, &shape.b_sizes, &shape.b_strides, &shape.y_strides})
      for (const std::int64_t word : *dims) take(word);
    take((shape.bf16 ? 1 : 0) + (shape.scaled ? 2 : 0) + (shape.with_bias ? 4 : 0));
    return static_cast<std::size_t>(hash);
  }
};

// The primitive of a product's shape, made once per thread: its arguments are set anew by each call.
OneDnnMatmul& matmul_for(const CarrierProduct& p) {
  thread_local std::unordered_map<Shape, std::unique_ptr<OneDnnMatmul>, ShapeHash> made;
  std::unique_ptr<OneDnnMatmul>& matmul =
      made[{p.a_sizes, p.a_strides, p.b_sizes, p.b_strides, p.y_strides, p.bf16, p.scale != 1.0f, p.bias != nullptr}];
  if (!matmul) matmul = std::make_unique<OneDnnMatmul>(p);
  return *matmul;
}

// Whether a result is one column that does not lie without gaps.
bool is_spread_column(const CarrierProduct& product) {
  if (product.b_sizes.from_end(2) != 1) return false;
  std::int64_t stride = 1;
  for (std::size_t d = product.a_sizes.size() - 1; d-- > 0; stride *= product.a_sizes[d])
    if (product.a_sizes[d] > 1 && product.y_strides[d] != stride) return true;
  return false;
}

// The column is made without gaps, then spread.
void multiply_column(const CarrierProduct& product) {
  thread_local std::vector<float> column;
  const std::size_t rows = product.a_sizes.size() - 1;
  CarrierProduct dense = product;
  std::int64_t count = 1;
  for (std::size_t d = rows; d-- > 0; count *= product.a_sizes[d]) dense.y_strides[d] = count;
  column.resize(static_cast<std::size_t>(count));
  dense.y = column.data();
  matmul_for(dense).multiply(dense);
  for (std::int64_t row = 0; row < count; ++row)
    product.y[offset_in(row, product.a_sizes, product.y_strides, rows)] = column[static_cast<std::size_t>(row)];
}

}  // namespace

Carrier parse_carrier(std::string_view text) {
  return parse_spelling("carrier", text, kCarriers);
}

std::string to_string(Carrier carrier) {
  return spelling_of(carrier, kCarriers);
}

OneThread::OneThread() : before_(omp_get_max_threads()) {
  omp_set_num_threads(1);
}

OneThread::~OneThread() {
  omp_set_num_threads(before_);
}

void multiply(const CarrierProduct& product) {
  // oneDNN 3.7's kernels for AVX-512 write a result's only column as if its numbers lay side by side.
  if (is_spread_column(product)) return multiply_column(product);
  matmul_for(product).multiply(product);
}

}  // namespace precipice
