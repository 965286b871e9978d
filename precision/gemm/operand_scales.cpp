// SPDX-License-Identifier: Apache-2.0
#include "precision/gemm/operand_scales.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "precision/format/bf16_bits.h"
#include "precision/format/format_presets.h"
#include "precision/format/log2_exponent.h"
#include "precision/format/quantum.h"
#include "precision/gemm/emulated_product.h"

namespace precipice {
namespace {

float widened(float x) {
  return x;
}
float widened(std::uint16_t x) {
  return float_of_bf16(x);
}
void store(float x, float& out) {
  out = x;
}
// A product that is a bf16 number.
void store(float x, std::uint16_t& out) {
  out = bf16_bits(__builtin_bit_cast(std::uint32_t, x));
}

// out = in * scales; whether a finite product became infinite.
template <class In, class Out>
bool multiply_matrix(const In* in, Out* out, std::int64_t rows, std::int64_t cols, const Quantized& q,
                     const RowScales& scale) {
  std::vector<float> factors(static_cast<std::size_t>(cols));
  std::int32_t overflows = 0;
  for (std::int64_t row = 0; row < rows; ++row) {
    if (row % q.block_rows == 0)
      for (std::int64_t c = 0; c < cols; ++c) factors[static_cast<std::size_t>(c)] = scale(row, c / q.block_k);
    const float* factor = factors.data();
    const In* from = in + row * cols;
    Out* to = out + row * cols;
    for (std::int64_t c = 0; c < cols; ++c) {
      const float value = widened(from[c]), product = value * factor[c];
      overflows |= static_cast<std::int32_t>((product - product != 0.0f) & (value - value == 0.0f) &
                                             (factor[c] - factor[c] == 0.0f));
      store(product, to[c]);
    }
  }
  return overflows != 0;
}

struct Scaled {
  at::Tensor values;
  bool overflows = false;
};

// Values times scales, contiguous; `type` bf16 for products that are bf16 numbers.
Scaled times_scales_of_rows(const Quantized& q, at::ScalarType type) {
  const at::Tensor values = q.values.contiguous();
  Scaled result{at::empty(values.sizes(), values.options().dtype(type))};
  const std::int64_t rows = values.size(-2), cols = values.size(-1);
  for (std::int64_t index = 0; index < matrices_of(values); ++index) {
    const at::Tensor scales = matrix_at(q.scales, index);
    const RowScales scale(q, scales);
    const auto multiply_to = [&](auto* out) {
      const auto multiply_from = [&](const auto* in) {
        result.overflows |= multiply_matrix(in + index * rows * cols, out + index * rows * cols, rows, cols, q, scale);
      };
      if (values.scalar_type() == at::kFloat) return multiply_from(values.const_data_ptr<float>());
      multiply_from(static_cast<const std::uint16_t*>(values.const_data_ptr()));
    };
    if (type == at::kFloat)
      multiply_to(result.values.mutable_data_ptr<float>());
    else
      multiply_to(static_cast<std::uint16_t*>(result.values.mutable_data_ptr()));
  }
  return result;
}

// The same in the order of storage of `values`.
Scaled times_scales(const Quantized& q, at::ScalarType type) {
  const bool lies_in_columns = !q.values.is_contiguous() && q.values.transpose(-2, -1).is_contiguous();
  if (!lies_in_columns) return times_scales_of_rows(q, type);
  const Scaled columns = times_scales_of_rows(q.transposed(), type);
  return {columns.values.transpose(-2, -1), columns.overflows};
}

}  // namespace

at::Tensor without_outer_scale(const at::Tensor& scales, float outer) {
  at::Tensor block_scales = at::empty_like(scales);
  without_outer_scale(scales.const_data_ptr<float>(), scales.numel(), outer, block_scales.mutable_data_ptr<float>());
  return block_scales;
}

OperandKind kind_of(const Quantized& operand) {
  const ScaleLayout scales = operand.scales.defined()
                                 ? operand.scales.size(-1) > 1 ? ScaleLayout::BlocksOfK : ScaleLayout::Rows
                             : operand.scale != 1.0f ? ScaleLayout::Tensor
                                                     : ScaleLayout::None;
  return {operand.values.scalar_type() == at::kBFloat16, operand.quantum, scales};
}

at::Tensor matrix_at(const at::Tensor& x, std::int64_t index) {
  if (!x.defined() || x.dim() == 2) return x;
  return x.flatten(0, -3).select(0, index);
}

std::int64_t matrices_of(const at::Tensor& x) {
  return count_in(x.sizes(), static_cast<std::size_t>(x.dim() - 2));
}

RowScales::RowScales(const Quantized& operand, const at::Tensor& scales)
    : fixed_(operand.scale),
      data_(scales.defined() ? scales.const_data_ptr<float>() : nullptr),
      block_rows_(operand.block_rows) {
  if (data_ == nullptr) return;
  row_stride_ = scales.stride(-2);
  block_stride_ = scales.size(-1) > 1 ? scales.stride(-1) : 0;
}

at::Tensor dequantized(const Quantized& operand) {
  if (!operand.scales.defined()) {
    const at::Tensor values = operand.values.to(at::kFloat).contiguous();
    return operand.scale == 1.0f ? values : values.mul(operand.scale);
  }
  return times_scales(operand, at::kFloat).values.contiguous();
}

std::optional<Quantized> folded(const Quantized& operand) {
  const bool has_outer = operand.outer != 1.0f;
  const at::Tensor scales = operand.scales.contiguous();
  const float* data = scales.const_data_ptr<float>();
  float smallest = 0x1p127f;
  for (std::int64_t i = 0; i < scales.numel(); ++i) {
    const float scale = data[i];
    if (!(scale > 0.0f)) continue;
    if (!has_outer && has_mantissa(scale)) return std::nullopt;
    smallest = std::min(smallest, scale);
  }
  if (!(double{smallest} * operand.quantum >= 0x1p-149)) return std::nullopt;
  // A quotient by the tensor's scale is a multiple of E4M3's quantum.
  const double quantum = operand.quantum * (has_outer ? quantum_of(kE4m3) : double{smallest});
  Quantized result = operand;
  if (has_outer) result.scales = without_outer_scale(scales, operand.outer);
  const bool fits_bf16 = operand.values.scalar_type() == at::kBFloat16 && quantum >= 0x1p-126;
  const Scaled scaled = times_scales(result, fits_bf16 ? at::kBFloat16 : at::kFloat);
  if (scaled.overflows) return std::nullopt;
  result.values = scaled.values;
  result.scales = at::Tensor();
  result.scale = operand.outer;
  result.quantum = static_cast<float>(quantum);
  return result;
}

}  // namespace precipice
