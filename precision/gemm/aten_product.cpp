// SPDX-License-Identifier: Apache-2.0
#include "precision/gemm/aten_product.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mm.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "precision/gemm/carrier.h"

namespace precipice {
namespace {

// One of the batch's dimensions, or several that are walked as one.
struct BatchDim {
  std::int64_t size, a_stride, b_stride, y_stride;
};

bool continues(const BatchDim& outer, const BatchDim& inner) {
  return outer.a_stride == inner.size * inner.a_stride && outer.b_stride == inner.size * inner.b_stride &&
         outer.y_stride == inner.size * inner.y_stride;
}

// The batch in as few dimensions as its strides allow, the longest last.
std::vector<BatchDim> batch_of(const CarrierProduct& p) {
  std::vector<BatchDim> dims;
  for (std::size_t d = 0; d + 2 < p.a_sizes.size(); ++d) {
    const BatchDim dim{p.a_sizes[d], p.a_strides[d], p.b_strides[d], p.y_strides[d]};
    if (dim.size == 1) continue;
    if (!dims.empty() && continues(dims.back(), dim))
      dims.back() = {dims.back().size * dim.size, dim.a_stride, dim.b_stride, dim.y_stride};
    else
      dims.push_back(dim);
  }
  std::stable_sort(dims.begin(), dims.end(), [](const BatchDim& a, const BatchDim& b) { return a.size < b.size; });
  return dims;
}

// Matrices of an array of the device, (batch, rows, columns), or (rows, columns) where there is no batch.
struct Matrices {
  const void* data;
  std::int64_t element;  // bytes
  at::ScalarType type;
  std::int64_t rows, row_stride, cols, col_stride;

  at::Tensor at(std::int64_t offset, std::int64_t batch, std::int64_t batch_stride, c10::Device device) const {
    std::vector<std::int64_t> sizes{rows, cols}, strides{row_stride, col_stride};
    if (batch > 1) sizes.insert(sizes.begin(), batch), strides.insert(strides.begin(), batch_stride);
    void* const begin = const_cast<char*>(static_cast<const char*>(data)) + offset * element;
    return at::for_blob(begin, sizes)
        .strides(strides)
        .options(at::TensorOptions(type).device(device))
        .target_device(device)
        .make_tensor();
  }
};

void multiply_matrices(const at::Tensor& a, const at::Tensor& b, at::Tensor y) {
  const bool widens = a.scalar_type() != y.scalar_type(), is_batch = a.dim() == 3;
  const at::Tensor bt = b.transpose(-2, -1);
  if (widens && is_batch)
    at::bmm_out(y, a, bt, at::kFloat);
  else if (widens)
    at::mm_out(y, a, bt, at::kFloat);
  else if (is_batch)
    at::bmm_out(y, a, bt);
  else
    at::mm_out(y, a, bt);
}

at::Tensor number_at(const float* there, c10::Device device) {
  return at::for_blob(const_cast<float*>(there), {})
      .options(at::TensorOptions(at::kFloat).device(device))
      .target_device(device)
      .make_tensor();
}

// As Factor::value(), without knowing it: each product is rounded to binary32 in the same order.
void scale_by(at::Tensor y, const Factor& scale, c10::Device device) {
  if (scale.is_known()) {
    if (scale.known != 1.0f) y.mul_(scale.known);
    return;
  }
  at::Tensor value = number_at(scale.at, device);
  if (scale.known != 1.0f) value = value.mul(scale.known);
  if (scale.also_at != nullptr) value = value.mul(number_at(scale.also_at, device));
  y.mul_(value);
}

}  // namespace

void multiply_by_aten(const ProductCall& call, c10::Device device) {
  const at::NoGradGuard no_gradients;
  const CarrierProduct& p = call.product;
  const std::int64_t m = p.a_sizes.from_end(2), n = p.b_sizes.from_end(2), k = p.a_sizes.from_end(1);
  const at::ScalarType type = p.bf16 ? at::kBFloat16 : at::kFloat;
  const std::int64_t element = p.bf16 ? 2 : 4;
  const Matrices a{p.a, element, type, m, p.a_strides.from_end(2), k, p.a_strides.from_end(1)},
      b{p.b, element, type, n, p.b_strides.from_end(2), k, p.b_strides.from_end(1)},
      // A single row may say any stride.
      y{call.packed != nullptr ? static_cast<const void*>(call.packed) : p.y,
        call.packed != nullptr ? 2 : 4,
        call.packed != nullptr ? at::kBFloat16 : at::kFloat,
        m,
        std::max(p.y_strides.from_end(2), n),
        n,
        1};
  std::vector<BatchDim> dims = batch_of(p);
  const BatchDim batch = dims.empty() ? BatchDim{1, 0, 0, 0} : dims.back();
  if (!dims.empty()) dims.pop_back();
  std::int64_t rest = 1;
  for (const BatchDim& dim : dims) rest *= dim.size;
  const Factor scale = call.scale.is_known() ? Factor(p.scale) : call.scale;
  for (std::int64_t i = 0; i < rest; ++i) {
    std::int64_t of_a = 0, of_b = 0, of_y = 0, left = i;
    for (const BatchDim& dim : dims) {
      const std::int64_t place = left % dim.size;
      left /= dim.size;
      of_a += place * dim.a_stride, of_b += place * dim.b_stride, of_y += place * dim.y_stride;
    }
    const at::Tensor result = y.at(of_y, batch.size, batch.y_stride, device);
    multiply_matrices(a.at(of_a, batch.size, batch.a_stride, device), b.at(of_b, batch.size, batch.b_stride, device),
                      result);
    scale_by(result, scale, device);
    if (p.bias == nullptr) continue;
    result.add_(at::for_blob(const_cast<float*>(p.bias), {n})
                    .options(at::TensorOptions(at::kFloat).device(device))
                    .target_device(device)
                    .make_tensor());
  }
}

}  // namespace precipice
