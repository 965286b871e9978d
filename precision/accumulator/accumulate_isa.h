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
  std::int64_t scale_block, segment, part;
  FormatConstants format;             // F, from sums rounded to odd in binary32
  WideFormatConstants wide_format;    // F, from sums in binary64
  WideFormatConstants wide_register;  // tensor-core: min(bits, 24) bits
  bool narrow;                        // products and sums in binary32; else in binary64
  // scales_whole_blocks: of every number of a, as a is; wide loops read powers, narrow ones exponents (below)
  const double* a_powers;
  const std::int16_t* a_exponents;
};

// The power of two with the exponent that a number takes to an alignment: max(E(x), emin). 0 for zero, infinity for what
// is not finite.
PRECIPICE_HD double power_with_exponent(float x, int emin) {
  const std::int64_t pattern = __builtin_bit_cast(std::int64_t, static_cast<double>(x)) & 0x7FFFFFFFFFFFFFFF;
  const std::int64_t least = static_cast<std::int64_t>(Binary64::kBias + emin) << Binary64::kMantissa;
  const std::int64_t field = pattern & Binary64::kInfinity;
  return pattern == 0 ? 0.0 : __builtin_bit_cast(double, field > least ? field : least);
}

// The exponent itself, of a finite number that binary32 holds as a normal one.
constexpr std::int16_t kZeroExponent = -8192;  // twice it is a 16-bit number too, and below every other sum
PRECIPICE_HD std::int16_t exponent_with_emin(float x, int emin) {
  const std::int32_t pattern = __builtin_bit_cast(std::int32_t, x) & 0x7FFFFFFF;
  const std::int32_t exponent = (pattern >> Binary32::kMantissa) - Binary32::kBias;
  const std::int32_t raised = exponent > emin ? exponent : emin;
  return static_cast<std::int16_t>(pattern == 0 ? std::int32_t{kZeroExponent} : raised);
}

struct AccumulateKernels {
  // Columns to a panel, and what a buffer for `panel` has to hold, in bytes per k; twice that for units of hardware.
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
// Products to a part (split=) of so many, at least 1.
std::int64_t part_length(const Accumulator& accumulator, std::int64_t products);

// Products over which one scale acts on sums: those of a scale block, or all where scales act before the alignment.
inline std::int64_t summed_block(const EmulatedGemm& gemm) {
  const std::int64_t all = gemm.k > 0 ? gemm.k : 1;
  return gemm.scale_block == 0 || gemm.accumulator.block_scales != BlockScales::Sums ? all : gemm.scale_block;
}

// A unit of hardware: its kind adds segments first and scales their sum once for each block (accumulator.h).
PRECIPICE_HD bool scales_whole_blocks(const Accumulator& accumulator) {
  return accumulator.kind == AccumulatorKind::MatrixCore ||
         (accumulator.kind == AccumulatorKind::TensorCore && accumulator.alignment == Alignment::Operands);
}

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
