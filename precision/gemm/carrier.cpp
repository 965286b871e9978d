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
  std::vector<std::int64_t> words;  // sizes and strides, type, whether scaled, whether with bias
  bool operator==(const Shape&) const = default;
};

struct ShapeHash {
  std::size_t operator()(const Shape& shape) const {
    std::uint64_t hash = 14695981039346656037u;  // FNV-1a over words
    for (const std::int64_t word : shape.words) hash = (hash ^ static_cast<std::uint64_t>(word)) * 1099511628211u;
    return static_cast<std::size_t>(hash);
  }
};

// The primitive of a call's shape, made once per thread: its arguments are set anew by each call.
OneDnnMatmul& matmul_for(const CarrierProduct& call) {
  thread_local std::unordered_map<Shape, std::unique_ptr<OneDnnMatmul>, ShapeHash> made;
  thread_local Shape shape;
  shape.words.clear();
  for (const auto* words : {&call.a_sizes, &call.a_strides, &call.b_sizes, &call.b_strides, &call.y_strides})
    shape.words.insert(shape.words.end(), words->begin(), words->end());
  shape.words.push_back((call.bf16 ? 1 : 0) + (call.scale != 1.0f ? 2 : 0) + (call.bias != nullptr ? 4 : 0));
  std::unique_ptr<OneDnnMatmul>& matmul = made[shape];
  if (!matmul) matmul = std::make_unique<OneDnnMatmul>(call);
  return *matmul;
}

// Whether a result is one column that does not lie without gaps.
bool is_spread_column(const CarrierProduct& call) {
  const std::size_t rows = call.a_sizes.size() - 2;
  if (call.b_sizes[rows] != 1) return false;
  std::int64_t stride = 1;
  for (std::size_t d = rows + 1; d-- > 0; stride *= call.a_sizes[d])
    if (call.a_sizes[d] > 1 && call.y_strides[d] != stride) return true;
  return false;
}

// The column is made without gaps, then spread.
void multiply_column(const CarrierProduct& call) {
  thread_local std::vector<float> column;
  CarrierProduct dense = call;
  std::int64_t count = 1;
  for (std::size_t d = call.a_sizes.size() - 1; d-- > 0; count *= call.a_sizes[d]) dense.y_strides[d] = count;
  column.resize(static_cast<std::size_t>(count));
  dense.y = column.data();
  matmul_for(dense).multiply(dense);
  for (std::int64_t row = 0; row < count; ++row) {
    std::int64_t offset = 0, index = row;
    for (std::size_t d = call.a_sizes.size() - 1; d-- > 0; index /= call.a_sizes[d])
      offset += index % call.a_sizes[d] * call.y_strides[d];
    call.y[offset] = column[static_cast<std::size_t>(row)];
  }
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

void multiply(const CarrierProduct& call) {
  // oneDNN 3.7's kernels for AVX-512 write a result's only column as if its numbers lay side by side.
  if (is_spread_column(call)) return multiply_column(call);
  matmul_for(call).multiply(call);
}

}  // namespace precipice
