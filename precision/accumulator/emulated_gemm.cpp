// SPDX-License-Identifier: Apache-2.0
// The emulated GEMM's driver: what of it may run in binary32, blocks of the output, and the choice of the instruction
// set.
#include "precision/accumulator/emulated_gemm.h"

#include <algorithm>
#include <bit>
#include <memory>
#include <vector>

#include "precision/accumulator/accumulate_isa.h"
#include "precision/accumulator/prepared_gemm.h"
#include "precision/base/check.h"
#include "precision/kernels/isa.h"
#include "precision/kernels/quantize_kernels.h"

namespace precipice {
namespace {

constexpr std::int64_t kRowsPerItem = 64;  // a panel is packed once for so many rows

// Contiguous along k, in `storage` unless it is so already.
const float* contiguous(const GemmOperand& operand, std::int64_t rows, std::int64_t k, std::vector<float>& storage) {
  if (operand.k_stride == 1 && operand.row_stride == k) return operand.data;
  storage.resize(static_cast<std::size_t>(rows * k));
  for (std::int64_t row = 0; row < rows; ++row) {
    const float* from = operand.data + row * operand.row_stride;
    float* to = storage.data() + row * k;
    for (std::int64_t i = 0; i < k; ++i) to[i] = from[i * operand.k_stride];
  }
  return storage.data();
}

// Bounds on the numbers of an operand: multiples of 2^lowest below 2^(highest + 1), with so many significand bits.
struct Extent {
  bool plain;  // zeros and normal numbers only
  int lowest, highest, bits;
};

struct Patterns {
  std::uint32_t mantissas = 0;          // all together
  std::uint32_t least = ~0u, most = 0;  // of nonzero numbers

  void add(const float* values, std::int64_t size, std::int64_t stride) {
    for (std::int64_t i = 0; i < size; ++i) {
      const std::uint32_t pattern = std::bit_cast<std::uint32_t>(values[i * stride]) & ~kSignBit;
      mantissas |= pattern & 0x7FFFFFu;
      least = std::min(least, pattern - 1);  // zero wraps around to the largest
      most = std::max(most, pattern);
    }
  }
};

Extent extent_of(const GemmOperand& operand, std::int64_t rows, std::int64_t k) {
  Patterns patterns;
  const bool along_k = operand.k_stride == 1;  // the longer run of neighbours in memory
  const std::int64_t lines = along_k ? rows : k, size = along_k ? k : rows;
  for (std::int64_t line = 0; line < lines; ++line)
    patterns.add(operand.data + line * (along_k ? operand.row_stride : operand.k_stride), size,
                 along_k ? 1 : operand.row_stride);
  if (patterns.most == 0) return {true, 0, 0, 1};
  const int bits = 24 - std::min(23, std::countr_zero(patterns.mantissas | 0x800000u));
  const int least_field = static_cast<int>((patterns.least + 1) >> 23),
            most_field = static_cast<int>(patterns.most >> 23);
  return {least_field > 0 && most_field < 255, least_field - 127 - (bits - 1), most_field - 127, bits};
}

// What accumulate-inl.h asks of narrow loops. Registers stay below 8 K times the largest product P: rounding to nearest
// at most doubles a term, and a sum is rounded up only by what its terms brought.
bool fits_narrow(const EmulatedGemm& gemm, bool fused) {
  const Accumulator& accumulator = gemm.accumulator;
  if (accumulator.kind == AccumulatorKind::MatrixCore) return false;
  if (fused && accumulator.kind != AccumulatorKind::TensorCore && !register_rounds(accumulator)) return true;
  if (register_rounds(accumulator)) {
    const bool general = prepare(accumulator.format, accumulator.overflow).general;
    if (general || is_stochastic(accumulator.rounding) || accumulator.format.precision() > 22) return false;
  }
  if (scales_whole_blocks(accumulator)) {
    // Units in 32-bit integers; what is cut only, and no scales in the terms.
    if (accumulator.rounding != Rounding::TowardZero || accumulator.bits > 26 ||
        accumulator.block_scales != BlockScales::Sums)
      return false;
  } else if (accumulator.kind == AccumulatorKind::TensorCore) {
    // Sums of group + 1 terms of `bits` bits have to be whole numbers of binary32, and terms to be rounded there.
    const int log2_terms = std::bit_width(static_cast<unsigned>(accumulator.group));
    if (accumulator.bits > 22 || accumulator.bits + log2_terms > 24) return false;
  }
  const Extent a = extent_of(gemm.a, gemm.m, gemm.k), b = extent_of(gemm.b, gemm.n, gemm.k);
  const int log2_k = std::bit_width(static_cast<std::uint64_t>(gemm.k));
  return a.plain && b.plain && a.bits + b.bits <= 24 && a.lowest + b.lowest >= -120 &&
         a.highest + b.highest + 2 + log2_k + 3 <= 120;
}

// A register of binary32 rounds every sum to nearest even by itself.
bool rounds_as_registers(const Accumulator& accumulator) {
  return accumulator.kind == AccumulatorKind::Every && accumulator.format.is_fp32() &&
         accumulator.rounding == Rounding::NearestEven && accumulator.overflow == Overflow::Native;
}

}  // namespace

std::int64_t segment_length(const Accumulator& accumulator, std::int64_t block) {
  std::int64_t length = block;
  if (accumulator.kind == AccumulatorKind::Chunk) length = std::min<std::int64_t>(length, accumulator.chunk);
  if (accumulator.kind == AccumulatorKind::TensorCore && accumulator.promote > 0)
    length = std::min<std::int64_t>(length, accumulator.promote);
  return std::max<std::int64_t>(length, 1);
}

std::int64_t part_length(const Accumulator& accumulator, std::int64_t products) {
  const std::int64_t whole = std::max(accumulator.promote, accumulator.group);
  const std::int64_t units = (products + whole - 1) / whole;
  return std::max<std::int64_t>((units + accumulator.split - 1) / accumulator.split * whole, 1);
}

void check_gemm(const EmulatedGemm& gemm) {
  validate(gemm.accumulator);
  PRECIPICE_CHECK(gemm.accumulator.kind != AccumulatorKind::Native,
                  "native stands for a unit, and sums nothing itself");
  PRECIPICE_CHECK(gemm.m >= 0 && gemm.n >= 0 && gemm.k >= 0 && gemm.scale_block >= 0, "gemm of ", gemm.m, " x ", gemm.n,
                  " x ", gemm.k, ", scales per ", gemm.scale_block);
  PRECIPICE_CHECK(gemm.a.scales.rows_per_scale > 0 && gemm.b.scales.rows_per_scale > 0, "rows per scale");
  const BlockScales scales = gemm.accumulator.block_scales;
  const std::int64_t whole = scales == BlockScales::Terms ? gemm.accumulator.group : kProductsToScaleGroup;
  PRECIPICE_CHECK(scales == BlockScales::Sums || gemm.scale_block % whole == 0, "scales per ", gemm.scale_block,
                  " products, which act on ", whole);
  if (gemm.accumulator.split > 1 && scales == BlockScales::Sums && gemm.scale_block != 0 && gemm.scale_block < gemm.k)
    throw ConfigError(join_parts("accumulator: split=", gemm.accumulator.split,
                                 " needs scales that stay the same along K, not one for each ", gemm.scale_block,
                                 " products"));
  const bool rounds =
      gemm.accumulator.kind == AccumulatorKind::Every || gemm.accumulator.kind == AccumulatorKind::Chunk;
  if (!rounds || !is_stochastic(gemm.accumulator.rounding)) return;
  // Adds are numbered up to K products and at most K segments; the stream has 4 words in each of 2^48 blocks.
  const auto size = static_cast<std::uint64_t>(gemm.m * gemm.n);
  const std::uint64_t elements = elements_of(gemm);
  PRECIPICE_CHECK(gemm.first_element <= elements && size <= elements - gemm.first_element, "elements ",
                  gemm.first_element, " + ", size, " of ", elements);
  const auto adds = static_cast<unsigned __int128>(2 * gemm.k + 1);
  PRECIPICE_CHECK(adds * elements < (std::uint64_t{1} << 50), "a gemm of ", elements, " x ", gemm.k,
                  " goes beyond the random stream");
}

PreparedGemm prepare_gemm(const EmulatedGemm& gemm) {
  check_gemm(gemm);
  const Accumulator& accumulator = gemm.accumulator;
  PreparedGemm prepared{};
  prepared.gemm = gemm;
  prepared.scale_block = summed_block(gemm);
  prepared.segment = segment_length(accumulator, prepared.scale_block);
  prepared.part = part_length(accumulator, std::min(prepared.scale_block, gemm.k));
  if (accumulator.kind == AccumulatorKind::Every || accumulator.kind == AccumulatorKind::Chunk)
    prepared.format = prepare_wide(accumulator.format, accumulator.overflow);
  FloatFormat of_register;
  of_register.mantissa_bits = std::min(accumulator.bits, 24) - 1;
  prepared.unit_register = prepare_wide(of_register, Overflow::Native);
  return prepared;
}

const AccumulateKernels& choose_accumulate_kernels(const std::string& isa) {
  static constexpr KernelsByIsa<AccumulateKernels> kAll = PRECIPICE_KERNELS_BY_ISA(kAccumulateKernels);
  return kernels_of(kAll, isa);
}

void gemm_emulated(const EmulatedGemm& gemm, const ParallelFor& parallel_for) {
  gemm_emulated_on(gemm, parallel_for, choose_accumulate_kernels(active_isa()), false);
}

namespace {

// What an alignment reads of a's numbers.
struct OperandExponents {
  std::vector<double> powers;
  std::vector<std::int16_t> exponents;

  void point(AccumulateCall& call) {
    const EmulatedGemm& gemm = *call.gemm;
    const auto size = static_cast<std::size_t>(gemm.m * gemm.k);
    if (call.narrow) {
      exponents.resize(size);
      for (std::size_t i = 0; i < size; ++i) exponents[i] = exponent_with_emin(call.a[i], gemm.a.emin);
    } else {
      powers.resize(size);
      for (std::size_t i = 0; i < size; ++i) powers[i] = power_with_exponent(call.a[i], gemm.a.emin);
    }
    call.a_powers = powers.data(), call.a_exponents = exponents.data();
  }
};

}  // namespace

void gemm_emulated_on(const EmulatedGemm& given, const ParallelFor& parallel_for, const AccumulateKernels& kernels,
                      bool force_wide) {
  check_gemm(given);
  EmulatedGemm gemm = given;
  if (rounds_as_registers(gemm.accumulator)) gemm.accumulator = {};
  if (gemm.m == 0 || gemm.n == 0) return;
  std::vector<float> storage;
  AccumulateCall call{};
  call.gemm = &gemm;
  call.a = contiguous(gemm.a, gemm.m, gemm.k, storage);
  const PreparedGemm prepared = prepare_gemm(gemm);
  call.scale_block = prepared.scale_block, call.segment = prepared.segment, call.part = prepared.part;
  const Accumulator& accumulator = gemm.accumulator;
  if (accumulator.kind == AccumulatorKind::Every || accumulator.kind == AccumulatorKind::Chunk)
    call.format = prepare(accumulator.format, accumulator.overflow);
  call.wide_format = prepared.format, call.wide_register = prepared.unit_register;
  call.narrow = !force_wide && fits_narrow(gemm, kernels.fused);
  const bool is_unit = scales_whole_blocks(accumulator);
  OperandExponents exponents;
  if (is_unit) exponents.point(call);

  const std::int64_t width = call.narrow ? kernels.narrow_width : kernels.wide_width;
  const std::int64_t panels = (gemm.n + width - 1) / width;
  const std::int64_t row_blocks = (gemm.m + kRowsPerItem - 1) / kRowsPerItem;
  const auto multiply = [&](std::int64_t begin, std::int64_t end) {
    const std::unique_ptr<char[]> panel(new char[static_cast<std::size_t>(kernels.panel_bytes * (is_unit ? 2 : 1) *
                                                                          std::max<std::int64_t>(gemm.k, 1))]);
    std::int64_t packed = -1;
    for (std::int64_t item = begin; item < end; ++item) {
      const std::int64_t column = item / row_blocks * width, row = item % row_blocks * kRowsPerItem;
      if (packed != column) kernels.pack(call, column, panel.get());
      packed = column;
      kernels.multiply(call, panel.get(), column, row, std::min(gemm.m, row + kRowsPerItem));
    }
  };
  if (parallel_for)
    parallel_for(panels * row_blocks, multiply);
  else
    multiply(0, panels * row_blocks);
}

}  // namespace precipice
