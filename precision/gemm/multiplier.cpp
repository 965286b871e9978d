// SPDX-License-Identifier: Apache-2.0
#include "precision/gemm/multiplier.h"

#include <algorithm>

#include "precision/base/check.h"
#include "precision/base/spellings.h"
#include "precision/gemm/matrix_product.h"
#include "precision/scaling/hadamard.h"

namespace precipice {
namespace {

constexpr Spellings<Multiplier, 6> kMultipliers = {{{"each matrix", Multiplier::EachMatrix},
                                                    {"each matrix in range", Multiplier::EachMatrixInRange},
                                                    {"outer product", Multiplier::OuterProduct},
                                                    {"causal parts", Multiplier::CausalParts},
                                                    {"fixed parts", Multiplier::FixedParts},
                                                    {"oneDNN", Multiplier::OneDnn}}};

// Sizes of causal parts: a shorter product pays its start, and each shape is a primitive to make. Whole groups of a
// Hadamard transform, which mixes past and future within them only.
constexpr std::int64_t kShortestPart = 64, kMostParts = 4;
static_assert(kShortestPart % kHadamard == 0);

// Whether pairs of bf16 numbers along K are words of memory.
bool has_whole_pairs(const void* data, const Dims& sizes, const Dims& strides) {
  bool even = sizes.from_end(1) % 2 == 0 && reinterpret_cast<std::uintptr_t>(data) % sizeof(std::uint32_t) == 0;
  if (strides.from_end(1) == 1)
    for (std::size_t d = 0; d + 1 < sizes.size(); ++d) even = even && (strides[d] % 2 == 0 || sizes[d] == 1);
  return even;
}

// Whether parts are long enough to pay, along the rows or columns that they cut.
bool has_causal_parts(const CarrierProduct& product, Causal causal) {
  const bool by_columns = causal == Causal::SecondPast || causal == Causal::SecondAhead;
  return causal != Causal::No && (by_columns ? product.b_sizes : product.a_sizes).from_end(2) >= 2 * kShortestPart;
}

}  // namespace

const MatmulCpu& matmul_cpu() {
  static const MatmulCpu cpu{has_bf16_instructions(), has_avx512_matmuls(), has_block_kernels(false),
                             has_block_kernels(true)};
  return cpu;
}

std::string to_string(Multiplier multiplier) {
  return spelling_of(multiplier, kMultipliers);
}

bool fits_each_matrix(const CarrierProduct& product, const MatmulCpu& cpu) {
  if (product.bias != nullptr || product.a_sizes.size() < 3) return false;
  if (!product.bf16) return cpu.fp32_blocks;
  return cpu.bf16_blocks && has_whole_pairs(product.a, product.a_sizes, product.a_strides) &&
         has_whole_pairs(product.b, product.b_sizes, product.b_strides);
}

bool fits_outer_product(const CarrierProduct& product, const MatmulCpu& cpu) {
  return cpu.avx512 && !product.bf16 && product.bias == nullptr && product.a_sizes.size() == 2 &&
         product.a_strides[0] == 1 && product.b_strides[0] == 1;
}

Multiplier choose_multiplier(const CarrierProduct& product, Causal causal, bool may_need_fp32, const MatmulCpu& cpu) {
  if (fits_each_matrix(product, cpu))
    return product.bf16 && may_need_fp32 ? Multiplier::EachMatrixInRange : Multiplier::EachMatrix;
  PRECIPICE_CHECK(!may_need_fp32, "operands that may need fp32 are copied to it first");
  if (has_causal_parts(product, causal)) return Multiplier::CausalParts;
  if (causal == Causal::No && fits_outer_product(product, cpu)) return Multiplier::OuterProduct;
  return cpu.avx512 ? Multiplier::OneDnn : Multiplier::FixedParts;
}

std::int64_t causal_part(std::int64_t length) {
  return std::max(kShortestPart, (length / kMostParts + kHadamard - 1) / kHadamard * kHadamard);
}

}  // namespace precipice
