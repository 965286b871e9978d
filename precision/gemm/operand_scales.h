// SPDX-License-Identifier: Apache-2.0
// The scales of a quantized operand: read one by one, or multiplied into its values before a product.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "precision/accumulator/emulated_gemm.h"
#include "precision/gemm/gemm_plan.h"
#include "precision/quantize/machine.h"
#include "precision/quantize/quantize.h"
#include "precision/quantize/step_ledger.h"

namespace precipice {

OperandKind kind_of(const Quantized& operand);

// Matrix `index` of a batch; undefined if x is.
at::Tensor matrix_at(const at::Tensor& x, std::int64_t index);
std::int64_t matrices_of(const at::Tensor& x);

// The scales of the rows of one matrix, by blocks of K.
class RowScales {
 public:
  // `scales`: of one matrix, or undefined; outlives this object, as its copies do.
  RowScales(const Quantized& operand, const at::Tensor& scales);
  RowScaleValues values() const {
    if (data_ == nullptr) return {{}, fixed_};
    return {as_operand(), fixed_};
  }
  OperandScales as_operand() const {
    if (data_ == nullptr) return {fixed_.is_known() ? &fixed_.known : fixed_.at, 1, 0, 0};
    return {data_, block_rows_, row_stride_, block_stride_};
  }

 private:
  Factor fixed_;
  const float* data_;
  std::int64_t block_rows_, row_stride_ = 0, block_stride_ = 0;
};

// Values times scales in fp32, the shape of `values`.
at::Tensor dequantized(const Quantized& operand);

// The operand with its values multiplied by their scales, and none beside them but a tensor's: where every such product
// is exact. Scales are powers of two that take nothing out of fp32's range, NaN blocks and zeros among them, or that of a
// block of zeros (kScaleOfZeros). NVFP4's E4M3 block scales are exact on its elements too, once the tensor's part is left
// out: they have 4 significant bits and the elements 2, so that bf16 has room for the products as well.
// With a ledger a device says later whether they were, and the result is made as if.
std::optional<Quantized> folded(const Quantized& operand, StepLedger* ledger = nullptr);

// NVFP4's E4M3 scales of blocks, from scales that hold the tensor's part too.
at::Tensor without_outer_scale(const at::Tensor& scales, const Factor& outer);

}  // namespace precipice
