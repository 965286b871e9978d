// SPDX-License-Identifier: Apache-2.0
// What the emulated GEMM's driver and its per-ISA loops (accumulate-inl.h) share.
#pragma once

#include <cstdint>
#include <string>

#include "precision/accumulator/emulated_gemm.h"
#include "precision/base/host_device.h"
#include "precision/kernels/isa.h"
#include "precision/rounding/round_to_format.h"

namespace precipice {

// Rows and columns of the output that one call computes, and all that is the same for every call. Operand values are
// contiguous along k.
struct AccumulateCall {
  const EmulatedGemm* gemm;
  const float* a;  // row m at a + m * k
  std::int64_t scale_block, segment;
  FormatConstants format;             // F, from sums rounded to odd in binary32
  WideFormatConstants wide_format;    // F, from sums in binary64
  WideFormatConstants wide_register;  // tensor-core: min(bits, 24) bits
  bool narrow;                        // products and sums in binary32; else in binary64
};

struct AccumulateKernels {
  // Columns to a panel, and what a buffer for `panel` has to hold, in bytes per k.
  int narrow_width, wide_width, panel_bytes;
  bool fused;  // narrow fp32 registers take any operands
  // panel[k * width + j] = b[first_column + j, k], zeros beyond the last column.
  void (*pack)(const AccumulateCall& call, std::int64_t first_column, void* panel);
  void (*multiply)(const AccumulateCall& call, const void* panel, std::int64_t first_column, std::int64_t first_row,
                   std::int64_t end_row);
};

namespace generic {
extern const AccumulateKernels kAccumulateKernels;
}
namespace avx2 {
extern const AccumulateKernels kAccumulateKernels;
}
namespace avx512 {
extern const AccumulateKernels kAccumulateKernels;
}

// By the name of an instruction set (isa.h).
const AccumulateKernels& choose_accumulate_kernels(const std::string& isa);

// gemm_emulated with chosen loops, and with sums in binary64 where binary32 would do, for tests.
void gemm_emulated_on(const EmulatedGemm& gemm, const ParallelFor& parallel_for, const AccumulateKernels& kernels,
                      bool force_wide);

// Throws ConfigError where validate(accumulator) does; sizes and scales are a contract.
void check_gemm(const EmulatedGemm& gemm);

// Products to a segment in a scale block of `block` products, at least 1.
std::int64_t segment_length(const Accumulator& accumulator, std::int64_t block);

PRECIPICE_HD std::uint64_t elements_of(const EmulatedGemm& gemm) {
  return gemm.elements == 0 ? static_cast<std::uint64_t>(gemm.m * gemm.n) : gemm.elements;
}

// Whether the register rounds to F at every product.
PRECIPICE_HD bool register_rounds(const Accumulator& accumulator) {
  return accumulator.kind == AccumulatorKind::Every ||
         (accumulator.kind == AccumulatorKind::Chunk && accumulator.inner_rounds);
}

PRECIPICE_HD float scale_at(const OperandScales& scales, std::int64_t row, std::int64_t block) {
  if (scales.data == nullptr) return 1.0f;
  return scales.data[row / scales.rows_per_scale * scales.row_stride + block * scales.block_stride];
}

}  // namespace precipice
