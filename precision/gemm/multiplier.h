// SPDX-License-Identifier: Apache-2.0
// What multiplies the operands of a carrier's product (carrier.h): chosen from sizes, strides and the CPU alone, before
// anything is multiplied. The order of the choices matters: a batch of small matrices first, then what knows of a
// product's zeros, then oneDNN.
#pragma once

#include <cstdint>
#include <string>

#include "precision/gemm/carrier.h"

namespace precipice {

// What matmuls may use of a CPU.
struct MatmulCpu {
  bool bf16_instructions = false;  // AVX512-BF16 or AMX
  bool avx512 = false;             // products of bf16 numbers at all, sums kept whole, the outer product
  bool fp32_blocks = false;        // kernels for blocks of matrices (matrix_product.h)
  bool bf16_blocks = false;
  bool operator==(const MatmulCpu&) const = default;
};
// Of this CPU, in this process: oneDNN's DNNL_MAX_CPU_ISA may hold it below what the CPU has.
const MatmulCpu& matmul_cpu();

enum class Multiplier : std::uint8_t {
  EachMatrix,         // matrix by matrix, with the operands in the cache (batch_carrier.h)
  EachMatrixInRange,  // the same of bf16 operands, a matrix with numbers too small for bf16's instructions in fp32
  OuterProduct,       // fp32 operands that both lie along K (outer_product.h)
  CausalParts,        // parts of rows or columns, without what is known to be zero or is not asked for
  FixedParts,         // oneDNN, in parts of fixed size of one thread each (carrier.h says why)
  OneDnn,
};
std::string to_string(Multiplier multiplier);

// Whether the product is one of a batch that EachMatrix takes. Reads no element.
bool fits_each_matrix(const CarrierProduct& product, const MatmulCpu& cpu);
bool fits_outer_product(const CarrierProduct& product, const MatmulCpu& cpu);

// Whether operands of which some matrix may hold numbers too small for bf16's instructions must be copied to fp32: where
// no kernel looks at each matrix.
inline bool needs_fp32_copies(const CarrierProduct& product, bool may_need_fp32, const MatmulCpu& cpu) {
  return may_need_fp32 && !fits_each_matrix(product, cpu);
}

// `may_need_fp32`: as above; false where needs_fp32_copies(), once they were copied.
Multiplier choose_multiplier(const CarrierProduct& product, Causal causal, bool may_need_fp32, const MatmulCpu& cpu);

// Rows or columns in a part of a causal product of `length` of them.
std::int64_t causal_part(std::int64_t length);

}  // namespace precipice
